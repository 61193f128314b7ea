//! The bare handler: what the framework alone costs.

use std::path::Path;

use actix_web::http::header;
use actix_web::web::{Bytes, Data, PayloadConfig, post};
use actix_web::{App, HttpResponse, HttpServer, rt};
use anyhow::Context as _;

/// Reads the form, and writes the bytes of `answer` with the headers that tessera writes.
async fn answer(body: Bytes, prepared: Data<Bytes>) -> HttpResponse {
    if body.is_empty() {
        return HttpResponse::BadRequest().finish();
    }
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::PRAGMA, "no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header(("x-request-id", "a4ecc1bb-2df0-48e7-b3ee-a500361239a2"))
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .body(Bytes::clone(&prepared))
}

/// Serves until killed; writes its address to standard error.
pub(crate) fn serve(file: &Path) -> anyhow::Result<()> {
    let prepared = Data::new(Bytes::from(std::fs::read(file).context("the prepared answer")?));
    rt::System::new().block_on(async move {
        let app = move || {
            App::new()
                .app_data(prepared.clone())
                .app_data(PayloadConfig::new(128 * 1024))
                .route("/introspect", post().to(answer))
        };
        let server = HttpServer::new(app).workers(1).bind("127.0.0.1:0")?;
        eprintln!("{}", server.addrs().first().context("no address")?);
        server.run().await.context("the bare handler broke")
    })
}
