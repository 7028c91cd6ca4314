// Offers to download the face landmark model that an example declares. ComfyUI's page only checks models that are named by a widget, but
// these nodes use any installed one. So it is offered here, and only if the server has none.

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { after, make, t } from "./page.js";

const asked = new Set(); // names; each model is offered only once

app.registerExtension({
  name: "real3dportrait.models",
  nodeCreated(node) {
    if (node.comfyClass?.startsWith("Real3D")) after(node, "onConfigure", ({ properties }) => offer(properties?.models ?? []));
  },
});

async function offer(declared) {
  const names = declared.map(({ name }) => name).filter((name) => !asked.has(name));
  if (!names.length) return;
  for (const name of names) asked.add(name);
  try {
    const { missing } = await (await api.fetchApi("/real3d/models")).json();
    for (const model of missing) if (names.includes(model.name)) await ask(model);
  } catch (failure) {
    console.warn("The models that find faces were not offered:", failure); // running the workflow reports what is missing
  }
}

async function ask({ name, url, folder }) {
  const title = t("Face landmark model"), { dialog, toast } = app.extensionManager;
  const message = t("No face landmark model is installed. Download {0} and put it into this folder? No restart is needed.", name);
  if (!dialog?.confirm) toast?.add({ severity: "warn", summary: title, detail: `${message} ${url} ${folder}`, life: 60000 });
  else if (await dialog.confirm({ title, message, itemList: [folder, url] })) make("a", { href: url, download: name, target: "_blank", rel: "noopener" }).click();
}
