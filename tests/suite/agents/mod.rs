//! The example agents (`examples/agents`), run as the processes that they are: against tessera, with
//! a gateway before an API, or with the example MCP server.

mod calls;
mod mcp;
mod page;
mod rig;
mod trouble;
mod users;
