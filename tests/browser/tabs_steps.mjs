// Steps with several live faces at once: two nodes in one tab, one in another, and a server that goes away for a while.
import { anotherTab, page, picture, seen, tell, until, url } from "./page.mjs";

const TYPE = "Real3DDirectTheFace";
const JAW = "Mouth: Jaw";

/** The face of a node: what it shows, and what it asks for. */
class Face {
  constructor(tab, id) {
    Object.assign(this, { tab, id, askers: new Set() });
    tab.on("request", (request) => {
      const wish = new URL(request.url()).pathname.endsWith("/real3d/live") ? request.postDataJSON() : null;
      if (wish?.values.seconds === Number(id)) this.askers.add(wish.asker);
    });
  }

  within(act, ...given) {
    return this.tab.evaluate(([id, act, given]) => {
      const node = window.app.graph.getNodeById(id), { element } = node.widgets.find((widget) => widget.name === "face");
      return new Function("element", "given", `return (${act})(element, ...given)`)(element, given);
    }, [this.id, act.toString(), given]);
  }

  slide(name, amount) {
    return this.within((element, name, amount) => {
      const range = element.querySelector(`input[aria-label="${name}"]`);
      range.value = amount;
      for (const kind of ["input", "change"]) range.dispatchEvent(new Event(kind, { bubbles: true }));
    }, name, amount);
  }

  hint() {
    return this.within((element) => element.querySelector(".r3d-empty").textContent);
  }

  /** A digest of the picture once no other is to come. */
  async picture() {
    const rests = () => this.within((element) => element.querySelector(".r3d-stage").getAttribute("aria-busy") === "false" && !element.querySelector("img").hidden);
    let calm = 0;
    await until(async () => {
      await this.tab.waitForTimeout(160); // it looks for changes every 150 ms
      calm = (await rests()) ? calm + 1 : 0;
      return calm > 1;
    }, 60000);
    return this.within((element) => globalThis.pixelsOf(element.querySelector("img").src));
  }
}

/** Faces of some photos in a tab, each as wide as the others; the node's length, which nobody sees here, says which node asks. */
async function facesOf(tab, photos) {
  const ids = await tab.evaluate(([type, photos]) => {
    const { graph, canvas } = window.app;
    graph.clear();
    const made = photos.map((photo, number) => {
      const [loader, face] = ["LoadImage", type].map((name) => window.LiteGraph.createNode(name));
      for (const node of [loader, face]) graph.add(node);
      loader.widgets[0].value = photo;
      loader.connect(0, face, face.inputs.findIndex((input) => input.name === "photo"));
      [loader.pos, face.pos] = [[470 * number, -500], [470 * number, 0]];
      face.setSize([430, 900]);
      for (const [name, value] of [["amount", 0], ["keyframes", ""], ["seconds", Number(face.id)]]) face.widgets.find((widget) => widget.name === name).value = value;
      return face.id;
    });
    canvas.ds.scale = 0.8;
    canvas.ds.offset = [150, 80];
    graph.setDirtyCanvas(true, true);
    return made;
  }, [TYPE, photos]);
  await tab.waitForTimeout(300);
  return ids.map((id) => new Face(tab, id));
}

const askers = async () => Object.keys(await (await page.request.get(`${url}/test/askers`)).json());

export async function severalTabs(photos) {
  const told = {}, [first, second] = await facesOf(page, photos);
  if (!(await until(() => page.locator(".r3d-face").count(), 30000))) return;
  const other = await anotherTab();
  told.loads = 0;
  other.on("request", (request) => { told.loads += request.url().endsWith("/real3d/live/load"); });
  const [third] = await facesOf(other, photos);
  const faces = [first, second, third], pictures = () => Promise.all(faces.map((face) => face.picture()));
  told.rest = await pictures();
  told.one = [];
  for (const face of faces) { // each slider moves its own face alone
    await face.slide(JAW, 0.8);
    told.one.push(await pictures());
    await face.slide(JAW, 0);
    await face.picture();
  }
  for (let i = 1; i <= 12; i++) await Promise.all(faces.map((face, number) => face.slide(JAW, number === 2 ? 0.8 : 0.4 + i / 30)));
  told.storm = await pictures(); // all at once, to the same end
  await picture("tabs");
  told.askers = faces.map((face) => face.askers.size);
  const [one, two, three] = faces.map((face) => [...face.askers][0]);
  told.different = new Set([one, two, three]).size;
  const known = await askers();
  told.known = [one, two, three].map((asker) => known.includes(asker));
  await other.goto(`${url}/test/askers`); // a page that closes says so, too, but a busy machine may not give it the time to
  told.released = await until(async () => !(await askers()).includes(three));
  await other.close();
  const left = await askers();
  told.left = [one, two].map((asker) => left.includes(asker));
  await first.slide(JAW, 0);
  told.on = [await first.picture(), await second.picture()];
  // the server is gone for a while, and with it the page's socket
  await page.request.post(`${url}/test/away`, { data: { seconds: 3 } });
  await first.slide(JAW, 0.8);
  await second.slide(JAW, 0);
  told.lost = await until(async () => (await first.hint()).includes("does not answer") && (await second.hint()).includes("does not answer"));
  told.healed = [await first.picture(), await second.picture(), await first.hint(), await second.hint()];
  await until(async () => (await page.request.post(`${url}/test/say`, { data: { type: "notification", data: {} } }).then((answer) => answer.json())).pages === 1, 15000);
  await tell("status", { status: { exec_info: { queue_remaining: 1 } }, exec_info: { queue_remaining: 1 } });
  await first.slide(JAW, 0);
  await page.waitForTimeout(600);
  told.whileRunning = await first.within((element) => globalThis.pixelsOf(element.querySelector("img").src));
  await tell("status", { status: { exec_info: { queue_remaining: 0 } }, exec_info: { queue_remaining: 0 } });
  told.afterwards = await first.picture();
  seen.problems = seen.problems.filter((one) => !one.includes("net::ERR_")); // the lost connection, as the browser sees it
  seen.tabs = told;
}
