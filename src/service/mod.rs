//! What happens with a request, step by step. The rules are in `domain`; what is needed from
//! outside comes through `ports`.

pub mod authenticate;
pub mod explain;
pub mod introspect;
pub mod snapshot;
pub mod standing;
pub mod tokens;
pub mod verdict_cache;
pub mod verify;
