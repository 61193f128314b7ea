// Calls a gRPC service for a test: one JSON object a line in, one a line out.
//
//   node grpc.mjs TARGET PROTO SERVICE [CA [CERTIFICATE KEY]]     with TLS if there is a CA
//   {"method": "Dispatch", "message": {...}}         a message, by the names of the .proto file
//   {..., "metadata": {"traceparent": "..."}}        the same, with metadata
//   {"method": "Dispatch", "bytes": "CgsMDQ=="}      bytes that need not be a message
//   {"reply": {...}}  or  {"code": 13, "details": "..."}
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const [target, proto, service, ...files] = process.argv.slice(2);
const [ca, certificate, key] = files.map((file) => readFileSync(file));
const loaded = grpc.loadPackageDefinition(
  loadSync(proto, { keepCase: true, longs: Number, enums: String, bytes: String, oneofs: true }),
);
const Service = service.split(".").reduce((found, name) => found[name], loaded);
const credentials = ca
  ? grpc.credentials.createSsl(ca, key ?? null, certificate ?? null)
  : grpc.credentials.createInsecure();
const client = new Service(target, credentials, {
  "grpc.max_send_message_length": 64 * 1024 * 1024,
  "grpc.max_receive_message_length": 64 * 1024 * 1024,
});

function call({ method, message, bytes, within, metadata = {} }) {
  const { path, requestSerialize, responseDeserialize } = Service.service[method] ?? {
    path: `/${service}/${method}`,
    responseDeserialize: (raw) => ({ raw: raw.toString("base64") }),
  };
  const serialize = bytes === undefined ? requestSerialize : (raw) => raw;
  const argument = bytes === undefined ? message : Buffer.from(bytes, "base64");
  const options = within === undefined ? {} : { deadline: Date.now() + within };
  const sent = new grpc.Metadata();
  for (const [name, value] of Object.entries(metadata)) sent.set(name, value);
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, serialize, responseDeserialize, argument, sent, options, (error, reply) =>
      resolve(error ? { code: error.code, details: error.details } : { reply }),
    );
  });
}

// Answers come in the order of the calls; calls are made as they come.
let before = Promise.resolve();
for await (const line of createInterface({ input: process.stdin })) {
  const answer = call(JSON.parse(line));
  before = before.then(async () => console.log(JSON.stringify(await answer)));
}
await before;
client.close();
