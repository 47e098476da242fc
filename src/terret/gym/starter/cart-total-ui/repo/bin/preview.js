#!/usr/bin/env node
import { readFileSync } from "node:fs";

import { renderCart } from "../src/renderCart.js";

const source = process.argv[2] ?? "examples/cart.json";
process.stdout.write(renderCart(JSON.parse(readFileSync(source, "utf8"))) + "\n");
