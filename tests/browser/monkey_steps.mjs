// Steps that use the live face for a while: at random, by a seed; and again and again, to see how fast it answers.
import fs from "node:fs";
import { at256, load, page, picture, plan, seen, tell, until } from "./page.mjs";

const TYPE = "Real3DDirectTheFace";
const FACE = ".r3d-face:not(.r3d-scene)";

/** Random numbers 0..1 by a seed (Mulberry32). */
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Bytes that a process has; null where the system does not tell. */
function memory(process) {
  const status = `/proc/${process}/status`;
  return fs.existsSync(status) ? 1024 * Number(fs.readFileSync(status, "utf8").match(/VmRSS:\s*(\d+)/)[1]) : null;
}

/** The least that a process has within some seconds: a film that ends gives back what it took. */
async function atRest(process, seconds) {
  let least = memory(process);
  for (; least !== null && seconds > 0; seconds--) {
    await page.waitForTimeout(1000);
    least = Math.min(least, memory(process));
  }
  return least;
}

/** A workflow whose film is small. */
export function small(workflow) {
  const other = JSON.parse(JSON.stringify(workflow));
  other.nodes.find((node) => node.type === "Real3DTalkingPortraitToVideo").widgets_values[1] = 256;
  return other;
}

/**
 * Random sliders, drags, scrubs, keyframes, undo, copies, deletions and runs for some seconds; what is left then.
 * really: whether workflows run, on a real server, and every other one is interrupted; else the page is told so.
 */
export async function monkey(example, seconds, seed, really = false) {
  await load(small(plan.examples[example]), [TYPE]);
  await until(() => page.locator(`${FACE} img:not([hidden])`).count(), 20000);
  let runs = false;
  const dice = random(seed), pick = (list) => list[Math.floor(dice() * list.length)];
  const counted = {};
  const nodes = () => page.evaluate((type) => window.app.graph.nodes.filter((one) => one.type === type).length, TYPE);
  const visible = async (selector) => {
    const all = page.locator(selector), index = Math.floor(dice() * (await all.count()));
    const box = await all.nth(index).boundingBox({ timeout: 500 }).catch(() => null);
    return box && box.width > 20 && box.x > 60 && box.y > 60 && box.x + box.width < 1500 && box.y + box.height < 940 ? box : null;
  };
  const within = (box) => [box.x + box.width * (0.1 + 0.8 * dice()), box.y + box.height * (0.2 + 0.6 * dice())];
  const actions = {
    slide: () => page.evaluate(([face, at, share]) => {
      const all = [...document.querySelectorAll(`${face} input[type=range]`)], range = all[Math.floor(at * all.length)];
      if (!range || range.disabled) return;
      range.value = Number(range.min) + share * (range.max - range.min);
      for (const kind of ["input", "change"]) range.dispatchEvent(new Event(kind, { bubbles: true }));
    }, [FACE, dice(), dice()]),
    async drag() {
      const box = await visible(`${FACE} .r3d-stage`);
      if (!box) return;
      await page.mouse.move(...within(box));
      await page.mouse.down();
      for (let i = 0; i < 4; i++) await page.mouse.move(...within(box));
      await page.mouse.up();
    },
    async scrub() {
      const box = await visible(`${FACE} .r3d-track`);
      if (box) await page.mouse.click(...within(box));
    },
    press: () => page.evaluate(([face, at]) => {
      const all = [...document.querySelectorAll(`${face} button`)].filter((one) => !one.textContent.startsWith("Save")); // it asks for a name
      all[Math.floor(at * all.length)]?.click();
    }, [FACE, dice()]),
    async undo() {
      await page.evaluate(() => document.activeElement?.blur());
      await page.keyboard.press(pick(["Control+z", "Control+z", "Control+y"]));
      await page.waitForTimeout(150);
    },
    async duplicate() {
      if ((await nodes()) > 3) return;
      await page.evaluate((type) => {
        const { canvas, graph } = window.app;
        document.activeElement?.blur();
        canvas.select(graph.nodes.find((node) => node.type === type) ?? graph.nodes[0]);
      }, TYPE);
      await page.keyboard.press("Control+c");
      await page.mouse.move(700 + 500 * dice(), 500);
      await page.keyboard.press("Control+v");
    },
    remove: async () => (await nodes()) > 1 && page.evaluate((type) => {
      const { graph } = window.app;
      graph.remove(graph.nodes.filter((node) => node.type === type).pop());
    }, TYPE),
    async run() {
      runs = !runs;
      if (really) await page.evaluate(([runs, type]) => {
        if (!runs) return (window.app.api ?? window.comfyAPI.api.api).interrupt(null);
        const { nodes } = window.app.graph, pose = nodes.find((node) => node.type === "Real3DHeadPose");
        const slot = pose?.inputs.findIndex((input) => input.name === "motion");
        if (pose?.inputs[slot].link === null) nodes.find((node) => node.type === type)?.connect(0, pose, slot); // what led there was removed
        return window.app.queuePrompt(0);
      }, [runs, TYPE]);
      else for (const remaining of [1, 0]) await tell("status", { status: { exec_info: { queue_remaining: remaining } } });
    },
  };
  const often = ["slide", "slide", "slide", "slide", "drag", "drag", "scrub", "scrub", "press", "undo", "undo", "duplicate", "remove", "run"];
  for (const began = Date.now(); Date.now() - began < 1000 * seconds;) {
    const name = pick(often);
    await actions[name]();
    counted[name] = (counted[name] ?? 0) + 1;
    await page.waitForTimeout(100 * dice());
  }
  if (really) await page.evaluate(() => (window.app.api ?? window.comfyAPI.api.api).interrupt(null));
  await page.waitForTimeout(1500);
  await picture("monkey");
  const told = { counted, nodes: await nodes(), elements: await page.locator(FACE).count(), playing: await page.locator(`${FACE} [aria-label="Pause"]`).count() };
  // all are gone, and nothing is asked for any more
  const asked = [];
  page.on("request", (request) => { if (request.url().endsWith("/real3d/live")) asked.push(request.url()); });
  await page.evaluate(() => window.app.graph.clear());
  await page.waitForTimeout(300);
  asked.length = 0;
  await page.waitForTimeout(700);
  told.orphans = [asked.length, await page.locator(FACE).count()];
  (seen.monkeys ??= []).push({ ...told, memory: await atRest(plan.process, really ? 10 : 0) });
}

/** Milliseconds from each of some random movements of a slider to the picture that shows it. */
export async function answerTimes(example, count, seed) {
  const workflow = JSON.parse(JSON.stringify(plan.examples[example]));
  workflow.nodes.find((one) => one.type === TYPE).widgets_values[2] = "";
  await load(workflow, [TYPE]);
  await until(() => page.locator(`${FACE} img:not([hidden])`).count(), 60000);
  await at256(`${FACE} .r3d-stage img`);
  const dice = random(seed), moves = Array.from({ length: count }, () => [dice(), dice()]);
  seen.answerTimes = await page.evaluate(async ([face, moves]) => {
    const image = document.querySelector(`${face} .r3d-stage img`), ranges = [...document.querySelectorAll(`${face} input[type=range]`)].slice(6);
    const times = [];
    for (const [at, share] of moves) {
      const range = ranges[Math.floor(at * ranges.length)], value = Number(range.min) + share * (range.max - range.min);
      const drawn = new Promise((resolve) => image.addEventListener("load", resolve, { once: true }));
      const began = performance.now();
      range.value = value;
      range.dispatchEvent(new Event("input", { bubbles: true }));
      await Promise.race([drawn, new Promise((resolve) => setTimeout(resolve, 5000))]);
      times.push(performance.now() - began);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return { side: image.naturalWidth, times };
  }, [FACE, moves]);
}
