// Offers to copy the input files of an example into ComfyUI's input folder.

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { t } from "./page.js";

const offered = new Set(); // each file is offered only once

app.registerExtension({
  name: "real3dportrait.examples",
  // Before the nodes are created, so that they find their files and the page marks none as missing.
  async beforeConfigureGraph(workflow) {
    try {
      await offer(new Set([...JSON.stringify(workflow).matchAll(/"(real3d_\w+\.\w+)"/g)].map(([, name]) => name)));
    } catch (failure) {
      console.warn("The files of the examples were not offered:", failure); // the workflow opens anyway
    }
  },
});

async function offer(named) {
  const fresh = [...named].filter((name) => !offered.has(name));
  if (!fresh.length) return;
  const { missing } = await (await api.fetchApi("/real3d/examples")).json();
  const wanted = missing.filter((name) => fresh.includes(name));
  if (!wanted.length) return;
  for (const name of wanted) offered.add(name);
  const { dialog } = app.extensionManager;
  if (!dialog?.confirm) {
    tell("warn", t("Copy the example's files from {0} in this pack's folder into ComfyUI's input folder: {1}", "example_workflows/input", wanted.join(", ")));
  } else if (await dialog.confirm({
    title: t("Example files"),
    message: t("This example needs files that are not in ComfyUI's input folder. Copy them there? Existing files are not overwritten."),
    itemList: wanted,
  })) await copy(wanted);
}

async function copy(names) {
  const answer = await api.fetchApi("/real3d/examples", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(names),
  });
  if (answer.ok) await app.refreshComboInNodes();
  else tell("error", (await answer.json()).error);
}

const tell = (severity, detail) => app.extensionManager.toast?.add({ severity, summary: t("Example files"), detail, life: 20000 });
