// A drawn head with axes, shown until there is a rendered picture; it can be rotated in the same way.

import { make } from "./page.js";

const RADII = [0.72, 0.95, 0.8];
const EYE = 4.6; // distance of the viewer from the head's centre, in heads
const STEPS = 48;

/** (x right, y up, z to the viewer) of a turned head -> [x, y] of the picture, and z. */
function projector([yaw, pitch, roll, distance]) {
  const [a, b, c] = [yaw, pitch, roll].map((angle) => (angle * Math.PI) / 180);
  return ([x, y, z]) => {
    const [x1, z1] = [x * Math.cos(a) + z * Math.sin(a), z * Math.cos(a) - x * Math.sin(a)];
    const [y2, z2] = [y * Math.cos(b) - z1 * Math.sin(b), z1 * Math.cos(b) + y * Math.sin(b)];
    const [x3, y3] = [x1 * Math.cos(c) - y2 * Math.sin(c), y2 * Math.cos(c) + x1 * Math.sin(c)];
    const scale = (33 * EYE) / (EYE * distance - z2);
    return [50 + x3 * scale, 50 - y3 * scale, z2];
  };
}

const circle = (point) => Array.from({ length: STEPS + 1 }, (_, i) => point((2 * Math.PI * i) / STEPS));
const on = (longitude, latitude, out = 1) => [
  out * RADII[0] * Math.sin(longitude) * Math.cos(latitude),
  out * RADII[1] * Math.sin(latitude),
  out * RADII[2] * Math.cos(longitude) * Math.cos(latitude),
];

function line(points, project, kind, front) {
  const parts = [];
  let open = false;
  for (const point of points.map(project)) {
    const visible = !front || point[2] > -0.12;
    if (visible) parts.push(`${open ? "L" : "M"}${point[0].toFixed(1)} ${point[1].toFixed(1)}`);
    open = visible;
  }
  return make("path", { d: parts.join(""), class: kind });
}

export function drawHead(svg, view) {
  const project = projector(view);
  const lines = [];
  for (const longitude of [0, 0.7, 1.4, 2.1, 2.8].map((angle) => angle - 1.4)) {
    lines.push(line(circle((s) => on(longitude, s)), project, "r3d-wire", true));
  }
  for (const latitude of [-0.8, -0.4, 0, 0.4, 0.8]) lines.push(line(circle((s) => on(s, latitude)), project, "r3d-wire", true));
  for (const side of [-1, 1]) lines.push(line(circle((s) => on(side * 0.36 + 0.13 * Math.cos(s), 0.12 + 0.07 * Math.sin(s), 1.01)), project, "r3d-line", true));
  const nose = [on(0, 0.14, 1.01), [0, -0.2, RADII[2] + 0.18], on(0.14, -0.24, 1.01), on(-0.14, -0.24, 1.01), [0, -0.2, RADII[2] + 0.18]];
  lines.push(line(nose, project, "r3d-line", true));
  const mouth = Array.from({ length: 9 }, (_, i) => on((i - 4) * 0.075, -0.5 + 0.004 * (i - 4) ** 2, 1.01));
  lines.push(line(mouth, project, "r3d-line", true));
  for (const [axis, end] of [["x", [1.15, 0, 0]], ["y", [0, 1.2, 0]], ["z", [0, 0, 1.35]]]) {
    lines.push(line([end.map((value, i) => (value ? RADII[i] : 0)), end], project, `r3d-axis r3d-${axis}`));
    const [x, y] = project(end.map((value) => value * 1.07));
    lines.push(make("text", { x: x.toFixed(1), y: (y + 1.5).toFixed(1), class: `r3d-${axis}` }, axis));
  }
  svg.replaceChildren(...lines);
}
