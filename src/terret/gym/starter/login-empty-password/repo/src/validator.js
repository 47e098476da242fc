export const MESSAGES = {
  username: "Username is required.",
  password: "Password is required.",
};

/**
 * Checks a login request.
 *
 * Returns `{ errors, value }`: the messages in the order of the fields, and the cleaned fields.
 */
export function validateLogin(input) {
  const fields = input ?? {};
  const errors = [];

  const username = typeof fields.username === "string" ? fields.username.trim() : "";
  if (username === "") {
    errors.push(MESSAGES.username);
  }

  const password = fields.password;
  if (typeof password !== "string") {
    errors.push(MESSAGES.password);
  }

  return { errors, value: { username, password } };
}
