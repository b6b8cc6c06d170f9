// Talking to the service. Every failure is an Error with a sentence for people.
const CHANGE = { "X-Blackett": "1" };

async function answer(response) {
  const kind = response.headers.get("content-type") || "";
  const body = kind.includes("json") ? await response.json() : {};
  if (!response.ok) throw new Error(body.error || `the service answered ${response.status}`);
  return body;
}

async function ask(path, options) {
  try {
    return await answer(await fetch(path, { credentials: "same-origin", cache: "no-store", ...options }));
  } catch (problem) {
    if (problem instanceof TypeError) throw new Error("the service does not answer: does it still run?");
    throw problem;
  }
}

export const get = (path) => ask(path);
export const remove = (path) => ask(path, { method: "DELETE", headers: CHANGE });
export const post = (path, body) =>
  ask(path, { method: "POST", headers: { ...CHANGE, "Content-Type": "application/json" }, body: JSON.stringify(body) });

export const MOST_BYTES = 8 * 2 ** 20;
export function upload(file, liveTime) {
  if (file.size > MOST_BYTES) return Promise.reject(new Error(`${file.name} is larger than 8 MiB`));
  return ask(
    `/api/files?name=${encodeURIComponent(file.name.slice(-200))}${liveTime ? `&live_time_s=${liveTime}` : ""}`,
    { method: "POST", headers: { ...CHANGE, "Content-Type": "application/octet-stream" }, body: file },
  );
}

// The names of nuclides in words, fetched once.
let titles = null;
export function library() {
  titles ||= get("/api/library").then((found) => new Map(found.sources.map((one) => [one.name, one])));
  return titles;
}
