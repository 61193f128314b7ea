//! What happens with a request, step by step. The rules are in `domain`; what is needed from
//! outside comes through `ports`.

pub mod authenticate;
pub mod configuration;
pub mod exchange;
pub mod explain;
pub mod gate;
pub mod identify;
pub mod introspect;
pub mod rehearse;
pub mod revoke;
pub mod shared_answers;
pub mod snapshot;
pub mod standing;
mod subject_cache;
pub mod swap_cache;
pub mod tokens;
pub mod verdict_cache;
pub mod verify;
pub mod views;
