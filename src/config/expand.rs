//! `${env:NAME}` and `${file:/path}`: the only two ways in which something outside the file gets
//! into the configuration.

use std::io::Read as _;
use std::path::Path;

use secrecy::zeroize::Zeroizing;

use super::report::Wrong;
use crate::domain::rejection::safe;

/// Most bytes of a file, the configuration itself or one it refers to.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Room for the end of a file to be found, without growing.
const ROOM: usize = 64;

/// Where references are looked up. Tests give their own.
pub trait Environment {
    /// The environment variable `name`; otherwise why it cannot be had.
    fn variable(&self, name: &str) -> Result<String, String>;

    /// The whole text of the file at `path`; otherwise why it cannot be had.
    fn file(&self, path: &Path) -> Result<String, String>;
}

/// The environment and the files of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEnvironment;

impl Environment for SystemEnvironment {
    #[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
    fn variable(&self, name: &str) -> Result<String, String> {
        std::env::var(name).map_err(|error| match error {
            std::env::VarError::NotPresent => "it is not set".to_owned(),
            std::env::VarError::NotUnicode(_) => "it is not UTF-8".to_owned(),
        })
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
        let limit = MAX_FILE_BYTES.saturating_add(1);
        // With room for all of it, since what grows leaves a copy of a secret behind.
        let length = file.metadata().map_or(0, |about| about.len()).min(limit);
        let room = usize::try_from(length).unwrap_or(0).saturating_add(ROOM);
        let mut text = Zeroizing::new(String::with_capacity(room));
        let not_text = |error: std::io::Error| {
            if error.kind() == std::io::ErrorKind::InvalidData {
                "it is not UTF-8".to_owned()
            } else {
                error.to_string()
            }
        };
        let read = file.take(limit).read_to_string(&mut text).map_err(not_text)?;
        if u64::try_from(read).is_ok_and(|read| read <= MAX_FILE_BYTES) {
            Ok(std::mem::take(&mut *text))
        } else {
            Err(format!("it is larger than {MAX_FILE_BYTES} bytes"))
        }
    }
}

/// A reference as the file spells it.
enum Reference<'t> {
    Variable(&'t str),
    File(&'t str),
}

/// Whether `text` is exactly one reference, and so no secret itself.
pub(super) fn is_reference(text: &str) -> bool {
    text.strip_prefix("${")
        .and_then(|rest| rest.split_once('}'))
        .is_some_and(|(inner, after)| after.is_empty() && reference(inner).is_ok())
}

/// `text` with every reference replaced. What comes from outside is not looked at again. It may be a
/// secret, so nothing is left of it when it has been read.
pub(super) fn expand(
    text: &str,
    environment: &dyn Environment,
) -> Result<Zeroizing<String>, Wrong> {
    let mut out = Zeroizing::new(String::with_capacity(text.len()));
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (inner, tail) = after.split_once('}').ok_or_else(|| {
            Wrong::new("a reference that starts with `${` and does not end").hint(FORMS)
        })?;
        let found = look_up(&reference(inner)?, environment)?;
        let room = before.len().saturating_add(found.len()).saturating_add(tail.len());
        let mut longer = Zeroizing::new(String::with_capacity(out.len().saturating_add(room)));
        longer.extend([&**out, before, &found]);
        (out, rest) = (longer, tail);
    }
    out.push_str(rest);
    Ok(out)
}

const FORMS: &str = "write `${env:NAME}` or `${file:/absolute/path}`";

fn reference(inner: &str) -> Result<Reference<'_>, Wrong> {
    let name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    match inner.split_once(':') {
        Some(("env", given)) if !given.is_empty() && given.bytes().all(name) => {
            Ok(Reference::Variable(given))
        }
        Some(("file", path)) if path.starts_with('/') => Ok(Reference::File(path)),
        _ => Err(Wrong::new("a reference `${…}` of an unknown form").hint(FORMS)),
    }
}

fn look_up(
    reference: &Reference<'_>,
    environment: &dyn Environment,
) -> Result<Zeroizing<String>, Wrong> {
    match reference {
        Reference::Variable(name) => {
            environment.variable(name).map(Zeroizing::new).map_err(|why| {
                Wrong::new(format!("cannot read the environment variable {name}: {why}"))
            })
        }
        Reference::File(path) => match environment.file(Path::new(path)).map(Zeroizing::new) {
            // Editors and `kubectl create secret` end a file with a newline that nobody means.
            Ok(text) => {
                let line = text.strip_suffix('\n').unwrap_or(&**text);
                Ok(Zeroizing::new(line.strip_suffix('\r').unwrap_or(line).to_owned()))
            }
            Err(why) => Err(Wrong::new(format!("cannot read the file {}: {why}", safe(path)))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Environment for Fixed {
        fn variable(&self, name: &str) -> Result<String, String> {
            match name {
                "HOST" => Ok("sts.example.com".to_owned()),
                "SLY" => Ok("${env:HOST}".to_owned()),
                _ => Err("it is not set".to_owned()),
            }
        }

        fn file(&self, path: &Path) -> Result<String, String> {
            match path.to_str() {
                Some("/run/unix") => Ok("value\n".to_owned()),
                Some("/run/dos") => Ok("value\r\n".to_owned()),
                Some("/run/two") => Ok("value\n\n".to_owned()),
                _ => Err("No such file".to_owned()),
            }
        }
    }

    fn run(text: &str) -> Result<String, String> {
        expand(text, &Fixed).map(|text| (*text).clone()).map_err(|wrong| wrong.message)
    }

    #[test]
    fn references_stand_anywhere_in_a_text() {
        assert_eq!(run("https://${env:HOST}/x").as_deref(), Ok("https://sts.example.com/x"));
        assert_eq!(run("${env:HOST}${env:HOST}").map(|text| text.len()), Ok(30));
        assert_eq!(run("no $reference {here}").as_deref(), Ok("no $reference {here}"));
    }

    #[test]
    fn one_newline_at_the_end_of_a_file_is_dropped() {
        assert_eq!(run("${file:/run/unix}").as_deref(), Ok("value"));
        assert_eq!(run("${file:/run/dos}").as_deref(), Ok("value"));
        assert_eq!(run("${file:/run/two}").as_deref(), Ok("value\n"));
    }

    #[test]
    fn what_comes_from_outside_is_not_expanded_again() {
        assert_eq!(run("${env:SLY}").as_deref(), Ok("${env:HOST}"));
    }

    #[test]
    fn what_is_missing_is_named_and_other_forms_are_refused() {
        assert!(run("${env:GONE}").unwrap_err().contains("GONE: it is not set"));
        assert!(run("${file:/run/gone}").unwrap_err().contains("/run/gone: No such file"));
        for odd in
            ["${}", "${HOST}", "${env:}", "${env:A B}", "${file:rel}", "${vault:x}", "${ENV:HOST}"]
        {
            assert!(run(odd).unwrap_err().contains("unknown form"), "{odd}");
            assert!(!is_reference(odd), "{odd}");
        }
        assert!(run("${env:HOST").unwrap_err().contains("does not end"));
    }

    #[test]
    fn only_a_reference_alone_is_a_reference() {
        assert!(is_reference("${env:HOST}") && is_reference("${file:/run/unix}"));
        for part in ["x${env:HOST}", "${env:HOST}x", "${env:HOST}${env:HOST}", "", "${env:HOST"] {
            assert!(!is_reference(part), "{part}");
        }
    }

    #[test]
    fn files_are_read_up_to_a_bound() {
        let directory = std::env::temp_dir().join(format!("tessera-expand-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("large");
        let size = usize::try_from(MAX_FILE_BYTES).unwrap();
        std::fs::write(&path, vec![b'x'; size]).unwrap();
        assert_eq!(SystemEnvironment.file(&path).map(|text| text.len()), Ok(size));
        std::fs::write(&path, vec![b'x'; size + 1]).unwrap();
        assert!(SystemEnvironment.file(&path).unwrap_err().contains("larger"));
        std::fs::write(&path, [0xff]).unwrap();
        assert!(SystemEnvironment.file(&path).unwrap_err().contains("UTF-8"));
        assert!(SystemEnvironment.file(&directory.join("gone")).is_err());
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(SystemEnvironment.variable("TESSERA_SURELY_NOT_SET").is_err());
    }
}
