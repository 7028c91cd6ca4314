// ComfyUI's page in headless Chromium as the plan asks for it, and what the steps do with it and ask of it.
import { createRequire } from "node:module";
import fs from "node:fs";
import path from "node:path";

export const [, , url, file] = process.argv;
export const plan = JSON.parse(fs.readFileSync(file, "utf8"));
const { chromium } = createRequire(path.join(plan.modules, "x.js"))("playwright-core");

export const browser = await chromium.launch({
  executablePath: plan.chromium,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--proxy-bypass-list=127.0.0.1;localhost"],
});
export const seen = { problems: [], notes: [], examples: {} };
export const page = await browser.newPage({ viewport: { width: 1600, height: 1000 } });

export function watch() {
  const note = (text, ours) => (ours ? seen.problems : seen.notes).push(text.split("\n")[0]);
  page.on("console", (message) => {
    const where = message.location().url;
    if (message.type() === "error") note(`console: ${message.text()}`, /real3d/i.test(`${where} ${message.text()}`) && !where.includes("/view?"));
  });
  page.on("pageerror", (error) => note(`page error: ${error.message}`, /extensions\//.test(error.stack ?? "")));
  page.on("response", (answer) => {
    if (answer.status() >= 400) note(`${answer.status()} ${new URL(answer.url()).pathname}`, answer.url().includes("/extensions/"));
  });
}

export async function open() {
  await page.route(/^https?:\/\/(?!127\.0\.0\.1|localhost)/, (route) => route.abort());
  const settings = {
    "Comfy.TutorialCompleted": true, "Comfy.Locale": plan.locale ?? "en", "Comfy.InstalledVersion": "1.27.10",
    "Comfy.Workflow.ShowMissingModelsWarning": false, "Comfy.VueNodes.Enabled": Boolean(plan.vue), "Comfy.ColorPalette": plan.light ? "light" : "dark",
    "Comfy.Workflow.Persist": false,
  };
  for (const [key, value] of Object.entries(settings)) {
    await page.request.post(`${url}/api/settings/${key}`, { data: JSON.stringify(value), headers: { "content-type": "application/json" } });
  }
  await copyFiles();
  await page.route("**/real3d/models", (route) => route.fulfill({ json: { missing: [] } })); // whatever this machine has
  await page.goto(url, { waitUntil: "domcontentloaded" });
  await page.waitForFunction(() => window.app?.graph && window.app?.extensionManager && window.LiteGraph?.registered_node_types?.Real3DCameraPath, null, { timeout: 60000 });
  await page.waitForTimeout(plan.settle ?? 800);
  await page.keyboard.press("Escape");
}

/** Puts the files of the examples into the input folder, so that the page does not ask for them. */
export async function copyFiles() {
  const names = [...new Set(JSON.stringify(plan.examples).match(/real3d_\w+\.\w+/g))];
  await page.request.post(`${url}/real3d/examples`, { data: names });
}

/** Loads a workflow and shows the nodes of these types, or all, as large as they fit. */
export async function load(workflow, types = null) {
  await page.evaluate(async (workflow) => window.app.loadGraphData(workflow), workflow);
  await page.waitForTimeout(250);
  await fit(types);
}

/** A workflow whose photos come from nowhere, so that no live face is shown. */
export function withoutPhotos(workflow) {
  const bare = JSON.parse(JSON.stringify(workflow));
  const photos = bare.nodes.filter((node) => node.type === "LoadImage").map((node) => node.id);
  const gone = new Set(bare.links.filter((link) => photos.includes(link[1])).map(([id]) => id));
  bare.links = bare.links.filter(([id]) => !gone.has(id));
  for (const node of bare.nodes) {
    for (const input of node.inputs ?? []) if (gone.has(input.link)) input.link = null;
    for (const output of node.outputs ?? []) output.links = (output.links ?? []).filter((id) => !gone.has(id));
  }
  return bare;
}

export async function fit(types) {
  await page.evaluate((types) => {
    const { graph, canvas } = window.app;
    const nodes = graph.nodes.filter((node) => !types || types.includes(node.type));
    const left = Math.min(...nodes.map((node) => node.pos[0])), right = Math.max(...nodes.map((node) => node.pos[0] + node.size[0]));
    const top = Math.min(...nodes.map((node) => node.pos[1])) - 40, bottom = Math.max(...nodes.map((node) => node.pos[1] + node.size[1]));
    const [room, high] = [window.innerWidth - 160, window.innerHeight - 170];
    const scale = Math.min(room / (right - left), high / (bottom - top), 1.25);
    canvas.ds.scale = scale;
    canvas.ds.offset[0] = 90 / scale - left;
    canvas.ds.offset[1] = 110 / scale - top;
    graph.setDirtyCanvas(true, true);
  }, types);
  await page.waitForTimeout(300);
}

export const picture = (name) => page.screenshot({ path: path.join(plan.pictures, `${name}.png`) });
export const values = (type) => page.evaluate((type) => {
  const node = window.app.graph.nodes.find((one) => one.type === type);
  return Object.fromEntries((node.widgets ?? []).filter((widget) => widget.serialize !== false).map((widget) => [widget.name, widget.value]));
}, type);
export const shown = (selector) => page.locator(selector).first();
export async function until(test, milliseconds = 5000) {
  for (let waited = 0; waited < milliseconds; waited += 100) {
    if (await test()) return true;
    await page.waitForTimeout(100);
  }
  return false;
}
// A picture's pixels as text, null if it is gone. ComfyUI forbids to fetch a blob, an image may show it.
await page.addInitScript(() => {
  globalThis.pixelsOf = async (source) => {
    const image = new Image();
    image.src = source;
    if (await image.decode().then(() => false, () => true)) return null;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    canvas.getContext("2d").drawImage(image, 0, 0);
    return canvas.toDataURL();
  };
});

/** The pixels of a picture as a digest, "" if there is none. */
export const digest = (selector) => page.evaluate(async (selector) => {
  const image = document.querySelector(selector);
  const pixels = image && !image.hidden && image.src ? await globalThis.pixelsOf(image.src) : null;
  if (!pixels) return "";
  return `${pixels.length}:${[...new Uint8Array(await crypto.subtle.digest("SHA-1", new TextEncoder().encode(pixels)))].slice(0, 6).join(".")}`;
}, selector);
/** The rendered picture of the orbit view. */
export const face = () => digest(".r3d-orbit .r3d-stage img:not([hidden])");
/** The same once it stays. */
export async function faceAtRest() {
  let last = null;
  await until(async () => {
    const now = await face();
    await page.waitForTimeout(700);
    const rests = now !== "" && now === last;
    last = now;
    return rests;
  }, 3000);
  return last;
}
export const drawing = () => page.evaluate(() => document.querySelector(".r3d-stage svg:not([hidden]) path")?.getAttribute("d") ?? "");

export async function dragStage(x, y) {
  const box = await shown(".r3d-stage").boundingBox();
  const [cx, cy] = [box.x + box.width / 2, box.y + box.height / 2];
  await page.mouse.move(cx, cy);
  await page.mouse.down();
  for (let i = 1; i <= 5; i++) await page.mouse.move(cx + (x * i) / 5, cy + (y * i) / 5);
  await page.mouse.up();
  await page.waitForTimeout(250);
}
export const where = (type) => page.evaluate((type) => [...window.app.graph.nodes.find((one) => one.type === type).pos].map(Math.round), type);

export const idOf = (type) => page.evaluate((type) => String(window.app.graph.nodes.find((one) => one.type === type).id), type);

/** What a run of a node would have told the page. */
export async function say(type, output, id = null) {
  id ??= await idOf(type);
  await page.request.post(`${url}/test/say`, { data: { type: "executed", data: { node: id, display_node: id, output, prompt_id: "test" } } });
}
export async function tell(type, data) {
  await page.request.post(`${url}/test/say`, { data: { type, data } });
  await page.waitForTimeout(250);
}

/** Ids of the nodes that show how a rendering gets on. */
export const renderers = () => page.evaluate(() => window.app.graph.nodes.filter((node) => node.widgets?.some((widget) => widget.name === "rendering")).map((node) => String(node.id)));

/** Nodes that overlap, or that stick out of their group. */
export const untidy = () => page.evaluate(() => {
  const { graph } = window.app;
  const meet = ([x, y, w, h], [a, b, c, d]) => x < a + c && a < x + w && y < b + d && b < y + h;
  const inside = ([x, y, w, h], [a, b, c, d]) => x >= a && y >= b && x + w <= a + c && y + h <= b + d;
  const boxes = graph.nodes.map((node) => [node.title, [...node.boundingRect]]);
  const overlapping = boxes.flatMap(([name, box], i) => boxes.slice(0, i).filter(([, other]) => meet(box, other)).map(([other]) => `${name} overlaps ${other}`));
  const groups = graph.groups.map((group) => [group.title, [...group.boundingRect]]);
  return overlapping.concat(boxes.flatMap(([name, box]) => groups.filter(([, group]) => meet(box, group) && !inside(box, group)).map(([group]) => `${name} sticks out of ${group}`)));
});

/**
 * What the orbit views that can be seen say, and what the widgets of their nodes hold, node by node: [id, words, [yaw, pitch, distance],
 * live, whether the picture is the server's for these numbers].
 */
export const heads = () => page.evaluate((token) => {
  const { graph, ds } = window.app.canvas;
  const seen = [...document.querySelectorAll(".r3d-orbit")].filter((element) => element.checkVisibility() && element.getBoundingClientRect().width);
  return Promise.all(seen.map(async (element) => {
    const box = element.getBoundingClientRect();
    const [x, y] = [(box.x + box.width / 2) / ds.scale - ds.offset[0], (box.y + box.height / 2) / ds.scale - ds.offset[1]];
    const node = graph.nodes.findLast(({ pos, size }) => x > pos[0] && x < pos[0] + size[0] && y > pos[1] && y < pos[1] + size[1]);
    const place = ["view_yaw", "view_pitch", "view_distance"].map((name) => node?.widgets.find((widget) => widget.name === name).value);
    const image = element.querySelector("img"), [yaw, pitch, distance] = place;
    const address = `/api/real3d/head/${token}?yaw=${yaw}&pitch=${pitch}&distance=${distance}&side=${image.naturalWidth}`;
    const right = image.hidden || (image.naturalWidth > 0 && (await globalThis.pixelsOf(image.src)) === (await globalThis.pixelsOf(address)));
    return [String(node?.id), element.querySelector(".r3d-numbers").textContent, place, !image.hidden, right];
  }));
}, plan.head);
/** The same once the first of them shows the head and all of them their own numbers, or after a while as it is. */
export async function headsAtRest() {
  let all = [];
  await until(async () => {
    all = await heads();
    return all[0]?.[3] && all.every(([, words, [yaw], , right]) => right && words.includes(`yaw ${yaw}°`));
  });
  return all;
}
export async function press(keys) {
  await page.keyboard.press(keys);
  await page.waitForTimeout(700);
}
