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

/** What a dialog of the page says, and whether loading the workflow again brings another one, once a button was clicked. */
async function answered(workflow, button, done) {
  await page.evaluate((workflow) => { window.app.loadGraphData(workflow); }, workflow); // not awaited: it may ask first
  const dialog = page.locator('[role="dialog"]'), dialogs = async () => (await dialog.count()) > 0;
  await dialog.first().waitFor({ timeout: 10000 });
  const told = { text: await dialog.first().innerText(), dialogs: await dialog.count() };
  await dialog.first().locator("button", { hasText: new RegExp(button, "i") }).click();
  await done(told);
  await until(async () => !(await dialogs()));
  await page.evaluate((workflow) => { window.app.loadGraphData(workflow); }, workflow);
  told.askedAgain = await until(dialogs, 600);
  told.nodes = await page.evaluate(() => window.app.graph.nodes.length);
  return told;
}

/** Opens an example whose files are missing: what the page asks, and what happens on "yes" or on "no". Each file is offered once. */
export async function files(example, answer) {
  const workflow = plan.examples[example];
  const input = async () => (await (await page.request.get(`${url}/test/input`)).json()).sort();
  await page.request.post(`${url}/test/empty`);
  const before = await input();
  const told = await answered(workflow, answer === "yes" ? "confirm" : "cancel", async (told) => {
    await until(() => page.evaluate((count) => window.app.graph.nodes.length === count, workflow.nodes.length));
    told.after = await input();
  });
  seen.files = { ...told, before };
  await copyFiles();
}

/** Opens an example where the server has no model that finds faces: what the page offers, and what is fetched on "yes" and on "no". */
export async function models(example) {
  const fetched = [], { name } = plan.model;
  const openAs = async (button, other) => { // each model is offered once
    const model = { ...plan.model, name: other }, workflow = JSON.parse(JSON.stringify(plan.examples[example]).replaceAll(name, other));
    await page.route("**/real3d/models", (route) => route.fulfill({ json: { missing: [model] } }));
    const told = await answered(workflow, button, async (told) => {
      told.fetched = (await until(() => fetched.length > 0, button === "confirm" ? 5000 : 500)) ? fetched.splice(0) : [];
    });
    await page.unroute("**/real3d/models");
    return told;
  };
  await page.context().route(plan.model.url, (route) => { fetched.push(route.request().url()); return route.abort(); });
  seen.models = { no: await openAs("cancel", "no.safetensors"), yes: await openAs("confirm", "yes.safetensors") };
}
