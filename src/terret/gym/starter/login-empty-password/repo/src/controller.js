import { validateLogin } from "./validator.js";

const STATUS_OF_FAILURE = {
  invalid: { status: 401, message: "Invalid credentials." },
  locked: { status: 423, message: "Account locked." },
};

/** The API controller. `login` takes a parsed request body and returns `{ status, body }`. */
export function createController({ authService }) {
  return {
    login(input) {
      const { errors, value } = validateLogin(input);
      if (errors.length > 0) {
        return { status: 400, body: { ok: false, errors } };
      }
      const result = authService.authenticate(value.username, value.password);
      if (result.ok) {
        return { status: 200, body: { ok: true, user: result.user } };
      }
      const { status, message } = STATUS_OF_FAILURE[result.reason];
      return { status, body: { ok: false, errors: [message] } };
    },
  };
}
