import { createServer } from "node:http";

import { createAuthService } from "./authService.js";
import { createController } from "./controller.js";
import { renderPage } from "./ui.js";
import { createUserStore } from "./userStore.js";

const MAX_BODY = 10_000;

async function readJson(request) {
  let text = "";
  for await (const chunk of request) {
    text += chunk;
    if (text.length > MAX_BODY) {
      throw new RangeError("body too large");
    }
  }
  return JSON.parse(text);
}

export function createApp(controller) {
  return createServer(async (request, response) => {
    if (request.method === "GET" && request.url === "/") {
      response.writeHead(200, { "content-type": "text/html" }).end(renderPage());
      return;
    }
    if (request.method !== "POST" || request.url !== "/api/login") {
      response.writeHead(404).end();
      return;
    }
    let input;
    try {
      input = await readJson(request);
    } catch {
      response.writeHead(400).end();
      return;
    }
    const { status, body } = controller.login(input);
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
}

if (process.argv[1] === import.meta.filename) {
  const authService = createAuthService({ users: createUserStore() });
  createApp(createController({ authService })).listen(3000, "127.0.0.1");
}
