//! Whoever reaches the listener takes nothing away from others: connections that say nothing, and
//! long messages that never end.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tessera::config::Endpoint;

use super::{Tyk, assert_passed};
use crate::support::World;

fn address(world: &World) -> SocketAddr {
    let Some(Endpoint::Tcp(address)) = world.tyk else { panic!("no plugin at an address") };
    address
}

#[test]
fn a_connection_that_says_nothing_is_given_up() {
    let mut tyk = Tyk::start();
    let token = tyk.world.sign(&tyk.world.alice());
    let mut silent: Vec<_> =
        (0..50).map(|_| TcpStream::connect(address(&tyk.world)).unwrap()).collect();
    for (index, stream) in silent.iter_mut().enumerate() {
        // Some begin with what a client says, and stop in the middle.
        stream.write_all(b"PRI * HTTP/2.0".get(..index % 15).unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    }
    assert_passed(&tyk.dispatch("orders", &token));
    for stream in &mut silent {
        let mut rest = Vec::new();
        // Closed or reset, before the patience of this test ends.
        if let Err(error) = stream.read_to_end(&mut rest) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
    }
    assert_passed(&tyk.dispatch("orders", &token));
}

/// A frame of HTTP/2 (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// The head of a call, in HPACK (RFC 7541) without its table.
fn head() -> Vec<u8> {
    let mut block = vec![0x83, 0x86]; // POST, http
    for (name, value) in [
        (":path", "/coprocess.Dispatcher/Dispatch"),
        (":authority", "tessera"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        block.push(0x00);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    block
}

#[test]
fn messages_that_never_end_take_up_so_much_and_no_more() {
    let mut tyk = Tyk::start();
    let token = tyk.world.sign(&tyk.world.alice());
    let mut stream = TcpStream::connect(address(&tyk.world)).unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).unwrap();
    let mut reader = stream.try_clone().unwrap();
    let mut refused = false;
    let (mut windows, mut connection) = (std::collections::BTreeMap::new(), 65_535_i64);
    for number in 0..100_u32 {
        let id = number * 2 + 1;
        stream.write_all(&frame(HEADERS, END_HEADERS, id, &head())).unwrap();
        windows.insert(id, (65_535_i64, 4_190_000_i64, false));
    }
    // Sends what the windows allow, until a call is answered: that can only be a refusal.
    while !refused {
        for (id, (window, left, begun)) in &mut windows {
            while *left > 0 && *window >= 16_384 && connection >= 16_384 {
                let mut part = vec![0_u8; 16_384];
                if !*begun {
                    part[1..5].copy_from_slice(&4_194_000_u32.to_be_bytes());
                    *begun = true;
                }
                stream.write_all(&frame(0, 0, *id, &part)).unwrap();
                (*window, *left, connection) =
                    (*window - 16_384, *left - 16_384, connection - 16_384);
            }
        }
        let mut head = [0_u8; 9];
        reader.read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0_u8; usize::try_from(length).unwrap()];
        reader.read_exact(&mut payload).unwrap();
        match head[3] {
            SETTINGS if head[4] & ACK == 0 => {
                stream.write_all(&frame(SETTINGS, ACK, 0, &[])).unwrap();
            }
            WINDOW_UPDATE => {
                let more = i64::from(u32::from_be_bytes(payload.try_into().unwrap()));
                match windows.get_mut(&id) {
                    Some((window, ..)) => *window += more,
                    None => connection += more,
                }
            }
            HEADERS => refused = true,
            _ => {}
        }
    }
    let sent: i64 = windows.values().map(|(_, left, _)| 4_190_000 - left).sum();
    assert!(sent < 80 * 1024 * 1024, "a hundred such messages would be 400 MiB: {sent}");
    drop((stream, reader));
    crate::support::eventually("room again", || {
        let reply = tyk.dispatch("orders", &token);
        reply["request"]["return_overrides"]["response_code"] == -1
    });
}
