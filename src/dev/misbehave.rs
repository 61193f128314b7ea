//! Stands before every route: counts the request, then answers well or badly, as it was told.

use actix_web::body::{BoxBody, MessageBody, SizedStream, to_bytes};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::ErrorInternalServerError;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, ContentType};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use futures_util::stream;

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
    let broken = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
    let parts = stream::iter([Ok(half), Err(broken)]);
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
