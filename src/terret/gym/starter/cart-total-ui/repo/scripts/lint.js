// Lints the sources without any dependency: syntax, white space, line length, and a few banned constructs.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const FOLDERS = ["bin", "scripts", "src", "test"];
const MAX_LENGTH = 120;
const BANNED = [
  [/\bvar\s/, "use const or let"],
  [/[^=!]==[^=]/, "use ==="],
  [/\bdebugger\b/, "remove the debugger statement"],
  [/\b(?:test|it|describe)\.only\b/, "remove .only"],
];

const problems = [];
const files = FOLDERS.flatMap((folder) =>
  readdirSync(folder, { recursive: true })
    .map((name) => join(folder, name))
    .filter((name) => name.endsWith(".js")),
);

for (const file of files) {
  try {
    execFileSync(process.execPath, ["--check", file], { stdio: "pipe" });
  } catch (error) {
    problems.push(`${file}: syntax error\n${error.stderr}`);
  }
  const text = readFileSync(file, "utf8");
  if (!text.endsWith("\n") || text.endsWith("\n\n")) {
    problems.push(`${file}: must end with one newline`);
  }
  text.split("\n").forEach((line, index) => {
    const where = `${file}:${index + 1}`;
    if (line.length > MAX_LENGTH) problems.push(`${where}: longer than ${MAX_LENGTH} characters`);
    if (/[ \t]$/.test(line)) problems.push(`${where}: trailing white space`);
    if (file.startsWith("src") && /\bconsole\.log\b/.test(line)) problems.push(`${where}: no console.log in src`);
    if (file.endsWith("lint.js")) return;
    for (const [pattern, advice] of BANNED) {
      if (pattern.test(line)) problems.push(`${where}: ${advice}`);
    }
  });
}

for (const problem of problems) process.stdout.write(`${problem}\n`);
process.stdout.write(`${files.length} files, ${problems.length} problems\n`);
process.exitCode = problems.length > 0 ? 1 : 0;
