import { matchesPassword } from "./userStore.js";

export const MAX_FAILURES = 5;

/** Matches credentials. `authenticate` returns `{ ok: true, user }` or `{ ok: false, reason }`. */
export function createAuthService({ users, maxFailures = MAX_FAILURES }) {
  const failures = new Map();

  return {
    authenticate(username, password) {
      const count = failures.get(username) ?? 0;
      if (count >= maxFailures) {
        return { ok: false, reason: "locked" };
      }
      const user = users.find(username);
      if (user === undefined || !matchesPassword(user, password)) {
        failures.set(username, count + 1);
        return { ok: false, reason: "invalid" };
      }
      failures.delete(username);
      return { ok: true, user: user.name };
    },

    failuresOf(username) {
      return failures.get(username) ?? 0;
    },
  };
}
