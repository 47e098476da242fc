#!/usr/bin/env node
import { createAuthService } from "../src/authService.js";
import { createController } from "../src/controller.js";
import { createUserStore } from "../src/userStore.js";

const [username, password] = process.argv.slice(2);
const controller = createController({ authService: createAuthService({ users: createUserStore() }) });
const { body } = controller.login({ username, password });

process.stdout.write(JSON.stringify(body) + "\n");
process.exitCode = body.ok ? 0 : 1;
