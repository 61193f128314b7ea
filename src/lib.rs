//! tessera: a Microsoft Entra ID token in, an identity context out.
//!
//! One direction for data, held by `tests/suite/architecture.rs`:
//!
//! ```text
//!             main ─▶ cli ─▶ app  (puts the pieces together, starts, stops)
//!                             │
//!    request ─▶ edge ─▶ service ─▶ domain       edge      how requests come in
//!                 │        │          │          service   what happens, step by step
//!                 │        ▼          ▼          domain    what is true (time is an argument)
//!                 │      ports ◀── adapters      ports     what we need from outside
//!                 ▼        ▼          ▼          adapters  who provides it
//!               protocol  (the RFCs as types; imports nothing of ours)
//! ```
//!
//! Beside them: `config` (what can be set), `telemetry` (how we watch), `dev` (a pretend tenant).

pub mod adapters;
pub mod app;
pub mod cli;
pub mod config;
pub mod dev;
pub mod domain;
pub mod edge;
pub mod ports;
pub mod protocol;
pub mod service;
pub mod telemetry;
