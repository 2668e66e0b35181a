"use strict";
// Cells over the thumbnail of an image: which part of it spoke for its class, and which against.
featx.cells = ({ rows, columns, height, width, resize, steps }) => {
  const NAMESPACE = "http://www.w3.org/2000/svg";
  const make = (name, attributes) => {
    const element = document.createElementNS(NAMESPACE, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };

  // What of a picture the network saw, in the picture's own pixels: with margins it is more than the picture.
  function seen(wide, high) {
    if (resize === "stretch") return [0, 0, wide, high];
    const scale = (resize === "crop" ? Math.min : Math.max)(wide / width, high / height);
    return [(wide - width * scale) / 2, (high - height * scale) / 2, width * scale, height * scale];
  }

  function drawing(letters, wide, high) {
    const [left, top, across, down] = seen(wide, high);
    const svg = make("svg", { class: "cells", viewBox: `0 0 ${wide} ${high}`, "aria-hidden": "true" });
    const group = make("g", { transform: `translate(${left} ${top}) scale(${across / columns} ${down / rows})` });
    const paths = new Map();
    let signs = "";
    [...letters].forEach((letter, place) => {
      const level = letter.charCodeAt(0) - 97 - steps;
      if (!level) return;
      const [row, column] = [Math.floor(place / columns), place % columns];
      const name = `${level > 0 ? "for" : "against"} l${Math.abs(level)}`;
      paths.set(name, `${paths.get(name) ?? ""}M${column} ${row}h1v1h-1z`);
      if (Math.abs(level) >= 2) signs += `M${column}.35 ${row}.5h.3${level > 0 ? `M${column}.5 ${row}.35v.3` : ""}`;
    });
    for (const [name, d] of paths) group.append(make("path", { class: name, d }));
    const lines = (count, line) => Array.from({ length: count + 1 }, (_, number) => line(number)).join("");
    const d = lines(rows, (row) => `M0 ${row}h${columns}`) + lines(columns, (column) => `M${column} 0v${rows}`);
    group.append(make("path", { class: "rules", d }), make("path", { class: "signs", d: signs }));
    svg.append(group);
    return svg;
  }

  // Return the picture with its cells over it, as soon as its size is known.
  return (picture, letters) => {
    const held = featx.make("span", { class: "covered" }, picture);
    const cover = () => { if (picture.naturalWidth) held.append(drawing(letters, picture.naturalWidth, picture.naturalHeight)); };
    if (picture.complete) cover();
    else picture.addEventListener("load", cover, { once: true });
    return held;
  };
};
