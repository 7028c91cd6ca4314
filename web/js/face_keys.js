// The directed face at a given time: the keyframes of real3d_core/motion/expressions.py in JavaScript.

import { begun, interpolated, short, withLine, withoutEasing, withoutKeyframe } from "./views.js";

const SIDES = [["blink_left", "blink_right"], ["brow_outer_left", "brow_outer_right"]];
const TURNED = ["gaze_x", "head_yaw", "head_roll"];

/** Parses the keyframes of a text, sorted by time: {line, time, easing, values: {name: amount}}; other lines are skipped. */
export function parseFaceKeys(text) {
  const keys = [];
  text.split("\n").forEach((whole, number) => {
    const [line, easing] = withoutEasing(whole), found = line.trim().match(/^(\d+\.?\d*|\.\d+)\s*:\s*(.*)$/);
    if (!found || !easing) return;
    const named = found[2].split(/[,;]\s*/).filter(Boolean).map((part) => part.trim().match(/^(\w+)(?:\s*[=:]\s*([+-]?(?:\d+\.?\d*|\.\d+)))?$/));
    if (named.every(Boolean)) keys.push({ line: number, time: Number(found[1]), easing, values: Object.fromEntries(named.map(([, name, amount]) => [name, Number(amount ?? 1)])) });
  });
  return keys.sort((a, b) => a.time - b.time);
}

export const formatFaceKey = (time, values, easing) =>
  `${begun(time, easing)} ${Object.entries(values).filter(([, amount]) => amount).map(([name, amount]) => `${name} = ${short(amount, 3)}`).join(", ")}`.trimEnd();

/** The text with the face of one moment set; key: the keyframe that is there, if any. */
export function withFaceKey(text, key, time, values, easing = key?.easing) {
  const line = formatFaceKey(time, values, easing);
  if (key && key.time === time) return text.split("\n").map((one, number) => (number === key.line ? line : one)).join("\n");
  const rest = key ? withoutKeyframe(text, key) : text;
  return withLine(rest, parseFaceKeys(rest), time, line);
}

/** {name: amount} of everything that any keyframe names. */
export function faceAt(keys, time) {
  const names = new Set(keys.flatMap((key) => Object.keys(key.values))), times = keys.map((key) => key.time), easings = keys.map((key) => key.easing);
  return Object.fromEntries([...names].map((name) => [name, interpolated(times, keys.map((key) => key.values[name] ?? 0), easings, time)]));
}

/** The same face in a mirror. */
export function mirrored(values) {
  const other = { ...values };
  for (const [one, two] of SIDES) [other[one], other[two]] = [values[two] ?? 0, values[one] ?? 0];
  for (const name of TURNED) if (values[name]) other[name] = -values[name];
  return Object.fromEntries(Object.entries(other).filter(([, amount]) => amount !== undefined));
}

/** Ways of a text such as "jaw_open = scale", by name. */
export const parseWays = (text) => Object.fromEntries([...text.matchAll(/(\w+)\s*[=:]\s*(\w+)/g)].map(([, name, way]) => [name, way]));
export const formatWays = (ways) => Object.entries(ways).filter(([, way]) => way !== "add").map(([name, way]) => `${name} = ${way}`).join(", ");
