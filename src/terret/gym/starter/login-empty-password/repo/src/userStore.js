import { createHash, timingSafeEqual } from "node:crypto";

const SEED = [
  { name: "alice", salt: "5f1d", password: "correct-password" },
  { name: "bob", salt: "a07c", password: "  padded  " },
];

function hash(salt, password) {
  return createHash("sha256").update(`${salt}:${password}`).digest();
}

/** An in-memory store; `entries` are `{ name, salt, password }` and only the hash is kept. */
export function createUserStore(entries = SEED) {
  const byName = new Map(
    entries.map(({ name, salt, password }) => [name, { name, salt, digest: hash(salt, password) }]),
  );
  return { find: (name) => byName.get(name) };
}

export function matchesPassword(user, password) {
  return timingSafeEqual(user.digest, hash(user.salt, password));
}
