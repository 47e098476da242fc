const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

export function escapeHtml(text) {
  return String(text).replace(/[&<>"']/g, (character) => ENTITIES[character]);
}

/** The page for a response body, or the empty form when there is none yet. */
export function renderPage({ username = "", body = null } = {}) {
  if (body?.ok) {
    return `<p class="welcome">Signed in as ${escapeHtml(body.user)}.</p>`;
  }
  const errors = body === null ? "" : renderErrors(body.errors);
  return [
    errors,
    '<form method="post" action="/api/login">',
    `  <input name="username" value="${escapeHtml(username)}">`,
    '  <input name="password" type="password">',
    "  <button>Sign in</button>",
    "</form>",
  ]
    .filter((line) => line !== "")
    .join("\n");
}

function renderErrors(errors) {
  const items = errors.map((message) => `<li>${escapeHtml(message)}</li>`).join("");
  return `<ul class="errors" role="alert">${items}</ul>`;
}
