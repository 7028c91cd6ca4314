// Steps around a workflow: the examples open, their files and models are offered, a node's help is found.
import { copyFiles, load, page, picture, plan, renderers, seen, shown, tell, untidy, until, url } from "./page.mjs";

/** Every example is opened; nodes of unknown type, and a saved workflow that differs from what was loaded, are told. */
export async function examples() {
  for (const [name, workflow] of Object.entries(plan.examples)) {
    await load(workflow);
    const saved = await page.evaluate(() => {
      const { graph } = window.app;
      const first = graph.serialize();
      return {
        missing: graph.nodes.filter((node) => !window.LiteGraph.registered_node_types[node.type]).map((node) => node.type),
        values: Object.fromEntries(first.nodes.filter((node) => node.type.startsWith("Real3D")).map((node) => [node.id, node.widgets_values ?? []])),
        sizes: Object.fromEntries(graph.nodes.map((node) => [node.id, [...node.size].map(Math.round)])),
      };
    });
    seen.examples[name] = saved;
    await picture(`example_${name}`);
    for (const id of await renderers()) await tell("real3d.rendering", { node: id, done: 12, total: 60, fps: 8.25, picture: plan.frame });
    saved.untidy = await untidy();
    await picture(`example_${name}_rendering`);
  }
}

/** The help of a node: what the page asks for, and what it shows. */
export async function help(type, example) {
  const asked = [];
  // the page cuts the folder's name at its first dot
  await page.route("**/extensions/*/docs/**", (route) => route.continue({ url: route.request().url().replace(/extensions\/[^/]+/, `extensions/${plan.folder}`) }));
  page.on("response", (answer) => { if (answer.url().includes("/docs/")) asked.push([answer.url().split("/docs/")[1], answer.status()]); });
  await load(plan.examples[example], [type]);
  const title = await page.evaluate((type) => {
    const { graph, ds, canvas } = window.app.canvas;
    const { pos } = graph.nodes.find((one) => one.type === type), box = canvas.getBoundingClientRect();
    return [(pos[0] + 150 + ds.offset[0]) * ds.scale + box.x, (pos[1] - 15 + ds.offset[1]) * ds.scale + box.y];
  }, type);
  await page.mouse.click(...title);
  await shown('[data-testid="info-button"]').click();
  const text = shown(".comfy-markdown-content, .node-help-content");
  await until(async () => (await text.count()) > 0 && (await text.innerText()).length > 200);
  await picture("help");
  seen.help = { asked, text: await text.innerText() };
}

/** Opens an example whose files are missing: what the page asks, and what happens on "yes" and on "no". */
export async function files(example) {
  const input = async () => (await (await page.request.get(`${url}/test/input`)).json()).sort();
  const openAs = async (button) => {
    await page.request.post(`${url}/test/empty`);
    await page.reload({ waitUntil: "domcontentloaded" });
    await page.waitForFunction(() => window.app?.graph && window.LiteGraph?.registered_node_types?.Real3DCameraPath);
    await page.waitForTimeout(plan.settle ?? 800);
    await page.evaluate((workflow) => { window.app.loadGraphData(workflow); }, plan.examples[example]); // not awaited: it asks first
    const dialog = page.locator('[role="dialog"]').first();
    await dialog.waitFor({ timeout: 10000 });
    const told = { text: await dialog.innerText(), before: await input() };
    await picture(`files_${button}`);
    await dialog.locator("button", { hasText: new RegExp(button, "i") }).click();
    await until(() => page.evaluate((count) => window.app.graph.nodes.length === count, plan.examples[example].nodes.length));
    told.after = await input();
    await page.evaluate((workflow) => { window.app.loadGraphData(workflow); }, plan.examples[example]);
    told.askedAgain = await until(async () => (await page.locator('[role="dialog"]').count()) > 0, 1500);
    told.nodes = await page.evaluate(() => window.app.graph.nodes.length);
    return told;
  };
  seen.files = { no: await openAs("cancel"), yes: await openAs("confirm") };
  await copyFiles();
}

/** Opens an example where the server has no model that finds faces: what the page offers, and what is fetched on "yes" and on "no". */
export async function models(example) {
  await page.route("**/real3d/models", (route) => route.fulfill({ json: { missing: [plan.model] } }));
  const fetched = [];
  await page.context().route(plan.model.url, (route) => { fetched.push(route.request().url()); return route.abort(); });
  const openAs = async (button) => {
    await page.reload({ waitUntil: "domcontentloaded" });
    await page.waitForFunction(() => window.app?.graph && window.LiteGraph?.registered_node_types?.Real3DCameraPath);
    await page.waitForTimeout(plan.settle ?? 800);
    await page.evaluate((workflow) => window.app.loadGraphData(workflow), plan.examples[example]);
    const dialog = page.locator('[role="dialog"]').first();
    await dialog.waitFor({ timeout: 10000 });
    const told = { text: await dialog.innerText(), dialogs: await page.locator('[role="dialog"]').count() };
    await picture(`models_${button}`);
    await dialog.locator("button", { hasText: new RegExp(button, "i") }).click();
    told.fetched = (await until(() => fetched.length > 0, button === "confirm" ? 5000 : 1000)) ? fetched.splice(0) : [];
    await page.evaluate((workflow) => window.app.loadGraphData(workflow), plan.examples[example]);
    told.askedAgain = await until(async () => (await page.locator('[role="dialog"]').count()) > 0, 1500);
    return told;
  };
  seen.models = { no: await openAs("cancel"), yes: await openAs("confirm") };
  await page.unroute("**/real3d/models");
  await page.route("**/real3d/models", (route) => route.fulfill({ json: { missing: [] } }));
}
