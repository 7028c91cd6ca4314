// Faces that the user keeps: a list to choose from, and buttons that save and delete.

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { make, t } from "./page.js";

const ADDRESS = "/real3d/faces";
let faces = null; // {name: {slider: amount}}, of all nodes of the page; null before anybody looks

const lists = new Set(); // functions that show the faces anew

async function ask(options) {
  try {
    const answer = await (await api.fetchApi(ADDRESS, options)).json();
    if (answer.error) tell(answer.error);
    if (answer.faces) faces = answer.faces;
  } catch {
    tell(t("The server does not answer"));
  }
  for (const show of lists) show();
}

const tell = (detail) => app.extensionManager.toast?.add({ severity: "error", summary: t("Saved faces"), detail, life: 10000 });
const save = (name, amounts) => ask({ method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ name, amounts }) });

/** A row to keep faces. face: () -> {slider: amount} now; apply({slider: amount}): shows a face. */
export function savedFaces(face, apply) {
  const list = make("select", { class: "r3d-button", "aria-label": t("Saved faces") });
  const button = (label, act) => make("button", { type: "button", class: "r3d-button", onclick: act }, label);
  const removing = button(t("Delete"), async () => {
    await save(list.value, null);
  });
  const row = make("div", { class: "r3d-row" }, list, button(t("Save …"), keep), removing);

  function show() {
    const chosen = list.value;
    list.replaceChildren(make("option", { value: "" }, t("Saved faces")), ...Object.keys(faces ?? {}).map((name) => make("option", { value: name }, name)));
    list.value = faces?.[chosen] ? chosen : "";
    removing.disabled = !list.value;
  }
  async function keep() {
    const { dialog } = app.extensionManager;
    const name = await dialog?.prompt?.({ title: t("Saved faces"), message: t("Name of this face"), defaultValue: list.value });
    if (!name?.trim()) return;
    await save(name.trim(), Object.fromEntries(Object.entries(face()).filter(([, amount]) => amount)));
    list.value = faces?.[name.trim()] ? name.trim() : "";
    removing.disabled = !list.value;
  }
  list.addEventListener("change", () => {
    removing.disabled = !list.value;
    if (faces?.[list.value]) apply(faces[list.value]);
  });
  list.addEventListener("pointerenter", () => { if (!faces) ask(); });
  list.addEventListener("focus", () => { if (!faces) ask(); });
  show();
  return { row, attach: () => lists.add(show) && show(), detach: () => lists.delete(show) };
}
