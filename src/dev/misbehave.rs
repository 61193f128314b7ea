//! Stands before every route: counts the request, then answers well or badly, as it was told.

use actix_web::body::{BoxBody, MessageBody, SizedStream, to_bytes};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::ErrorInternalServerError;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, ContentType, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};

use super::faults::{Fault, Surface};
use super::tenant::World;

/// The middleware of the look-alike.
pub(super) async fn gate<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let world = request.app_data::<Data<World>>().cloned();
    let (Some(world), Some(surface)) = (world, Surface::of(request.path())) else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    world.faults.count(surface, request.path());
    if let Some(Ok(place)) = request.headers().get("traceparent").map(HeaderValue::to_str) {
        world.faults.heard(place);
    }
    match world.faults.present(surface).await {
        Fault::None | Fault::Hang => Ok(next.call(request).await?.map_into_boxed_body()),
        Fault::Status(status) => Ok(request.into_response(failure(status)?.body("out of order"))),
        Fault::Throttled { retry_after } => {
            let mut answer = failure(StatusCode::TOO_MANY_REQUESTS.as_u16())?;
            answer.insert_header((header::RETRY_AFTER, retry_after));
            Ok(request.into_response(answer.body("slow down")))
        }
        Fault::Redirect(to) => {
            let answer = HttpResponse::Found().insert_header((header::LOCATION, to)).finish();
            Ok(request.into_response(answer))
        }
        Fault::Garbage(bytes) => {
            let answer = HttpResponse::Ok().content_type(ContentType::json()).body(bytes);
            Ok(request.into_response(answer))
        }
        Fault::Truncated => spoil(request, next, |body| truncated(&body)).await,
        Fault::Huge(bytes) => spoil(request, next, move |body| huge(bytes, &body)).await,
        Fault::WrongContentType => {
            let page = |body| HttpResponse::Ok().content_type(ContentType::html()).body(body);
            spoil(request, next, page).await
        }
    }
}

fn failure(status: u16) -> Result<HttpResponseBuilder, Error> {
    let status = StatusCode::from_u16(status).map_err(ErrorInternalServerError)?;
    let mut answer = HttpResponse::build(status);
    answer.content_type(ContentType::html());
    Ok(answer)
}

/// Makes something else of the right answer's body.
async fn spoil<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
    how: impl FnOnce(Bytes) -> HttpResponse,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let (request, right) = next.call(request).await?.into_parts();
    let body = to_bytes(right.into_body()).await;
    let body = body.map_err(|_unnamed| ErrorInternalServerError("the answer has no body"))?;
    Ok(ServiceResponse::new(request, how(body)))
}

/// Announces all of `body` and breaks the connection half-way.
fn truncated(body: &Bytes) -> HttpResponse {
    let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
    let half = body.slice(..body.len() / 2);
    // The pause lets the server send the first half, before it learns that there is no second.
    let end = async {
        tokio::task::yield_now().await;
        Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe))
    };
    let parts = stream::iter([Ok(half)]).chain(stream::once(end));
    HttpResponse::Ok().content_type(ContentType::json()).body(SizedStream::new(length, parts))
}

/// Sends in pieces without saying how long it will be, so that the reader must count.
fn huge(bytes: usize, body: &Bytes) -> HttpResponse {
    const PIECE: usize = 64 * 1024;
    let spaces = Bytes::from(vec![b' '; PIECE]);
    let pieces = std::iter::repeat_n(spaces, bytes.div_ceil(PIECE));
    let parts = pieces.chain([body.clone()]).map(Ok::<_, std::io::Error>);
    HttpResponse::Ok().content_type(ContentType::json()).streaming(stream::iter(parts))
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read as _};

    use super::*;
    use crate::dev::people::HOME_TENANT;
    use crate::dev::probe::{Answer, Tenant};

    fn keys() -> String {
        format!("/{HOME_TENANT}/discovery/v2.0/keys")
    }

    fn with(fault: Fault) -> (Tenant, Answer, Answer) {
        let tenant = Tenant::start();
        let good = tenant.get(&keys());
        tenant.entra.set_fault(Surface::Keys, fault);
        let bad = tenant.get(&keys());
        (tenant, good, bad)
    }

    #[test]
    fn only_the_named_surface_fails_and_it_heals() {
        let (tenant, good, bad) = with(Fault::Status(503));
        assert_eq!((good.status, bad.status), (200, 503), "A251");
        let document = format!("/{HOME_TENANT}/v2.0/.well-known/openid-configuration");
        assert_eq!(tenant.get(&document).status, 200);
        tenant.entra.heal();
        assert_eq!(tenant.get(&keys()).body, good.body);
        assert_eq!(tenant.entra.requests(Surface::Keys), 3, "failures count");
        assert_eq!(tenant.entra.requests(Surface::Discovery), 1);
        assert_eq!(tenant.entra.requests_to(&keys()), 3);
        assert_eq!(tenant.entra.requests_to("/"), 0);
    }

    #[test]
    fn refusals_say_where_or_when_to_go() {
        let (_, _, throttled) = with(Fault::Throttled { retry_after: 7 });
        assert_eq!((throttled.status, throttled.header("retry-after")), (429, Some("7")));
        let elsewhere = "http://elsewhere.example/keys".to_owned();
        let (_, _, redirect) = with(Fault::Redirect(elsewhere.clone()));
        assert_eq!((redirect.status, redirect.header("location")), (302, Some(&*elsewhere)));
    }

    #[test]
    fn wrong_answers_are_wrong_in_one_way_each() {
        let (_, _, garbage) = with(Fault::Garbage(Bytes::from_static(b"\xff{")));
        assert_eq!((garbage.status, &*garbage.body), (200, &b"\xff{"[..]));
        let (_, good, page) = with(Fault::WrongContentType);
        assert_eq!(page.body, good.body);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        let (_, good, cut) = with(Fault::Truncated);
        assert_eq!(cut.header("content-length"), good.header("content-length"));
        assert_eq!((cut.status, cut.body.len()), (200, good.body.len() / 2));
        let (_, good, long) = with(Fault::Huge(1_000_000));
        assert!(long.header("content-length").is_none() && long.body.len() > 1_000_000);
        let right = long.body.windows(good.body.len()).any(|window| window == good.body);
        assert!(right, "the right answer is in there");
    }

    #[tokio::test]
    async fn a_hanging_surface_answers_when_it_is_released() {
        let tenant = Tenant::start();
        tenant.entra.set_fault(Surface::Keys, Fault::Hang);
        let mut waiting = tenant.open("GET", &keys(), "", "");
        tenant.entra.arrived(Surface::Keys, 1).await;
        waiting.set_nonblocking(true).unwrap();
        let early = waiting.read(&mut [0; 1]).map_err(|error| error.kind());
        assert_eq!(early, Err(ErrorKind::WouldBlock));
        waiting.set_nonblocking(false).unwrap();
        tenant.entra.heal();
        assert_eq!(Answer::read(waiting).status, 200);
    }

    #[tokio::test]
    async fn stopping_does_not_wait_for_what_hangs() {
        let tenant = Tenant::start();
        tenant.entra.set_fault(Surface::Keys, Fault::Hang);
        let mut waiting = tenant.open("GET", &keys(), "", "");
        tenant.entra.arrived(Surface::Keys, 1).await;
        tenant.entra.stop();
        assert_eq!(waiting.read(&mut [0; 1]).unwrap_or_default(), 0, "closed without an answer");
    }
}
