"use strict";
// What every page can do: light and dark, tables that sort, images in a dialog.
const featx = (() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  try {
    const kept = localStorage.getItem("featx-theme");
    if (kept === "light" || kept === "dark") root.dataset.theme = kept;
  } catch { /* a browser may keep nothing for pages from the disk */ }

  function startTheme() {
    const button = document.getElementById("theme");
    const say = () => {
      button.textContent = isDark() ? "Light" : "Dark";
      button.setAttribute("aria-label", isDark() ? "Switch to light colours" : "Switch to dark colours");
    };
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      try { localStorage.setItem("featx-theme", root.dataset.theme); } catch { /* as above */ }
      say();
    });
    system.addEventListener("change", say);
    say();
  }

  // Text becomes text nodes and attributes, never markup: a class may be called anything.
  function make(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  function compare(a, b) {
    const [x, y] = [Number(a), Number(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, undefined, { numeric: true }) : x - y;
  }

  function startSorting(table) {
    const heads = [...table.tHead.rows[0].cells];
    const valueOf = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
    heads.forEach((head, column) => {
      if (head.hasAttribute("data-unsorted")) return;
      const button = make("button", { type: "button" }, ...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const rows = [...table.tBodies[0].rows];
        const before = head.getAttribute("aria-sort");
        // Numbers are asked for largest first, names from A.
        const first = rows.some((row) => valueOf(row, column) !== "" && !Number.isNaN(Number(valueOf(row, column)))) ? -1 : 1;
        const way = before === null ? first : before === "ascending" ? -1 : 1;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", way === 1 ? "ascending" : "descending");
        rows.sort((one, two) => {
          const [a, b] = [valueOf(one, column), valueOf(two, column)];
          if (a === "" || b === "") return (a === "") - (b === ""); // what has no value comes last, either way
          return way * compare(a, b);
        });
        table.tBodies[0].append(...rows);
      });
    });
  }

  function thumbnail(image) {
    const picture = image.source
      ? make("img", { src: image.source, alt: image.alt })
      : make("span", { class: "absent", role: "img", "aria-label": image.alt }, "no preview");
    const shown = image.source && image.cover ? image.cover(picture) : picture;
    const beside = image.covered ? [make("p", { class: "cells-note small" }, image.covered)] : [];
    return make("figure", { class: "thumbnail" }, shown, make("figcaption", {}, image.caption), ...beside);
  }

  const AT_ONCE = 60;

  // Show images, objects with source, caption and alt, in the dialog; with cover, which draws over the picture, and covered, what.
  function show(title, images, note = "") {
    const viewer = document.getElementById("viewer");
    const [grid, more, aside] = [".grid", ".more", ".viewer-note"].map((name) => viewer.querySelector(name));
    let shown = 0;
    const add = () => {
      const some = images.slice(shown, shown + AT_ONCE).map(thumbnail);
      grid.append(...some);
      shown += some.length;
      more.hidden = shown >= images.length;
      more.textContent = `Show more (${images.length - shown} left)`;
      return some;
    };
    grid.replaceChildren();
    add();
    more.onclick = () => {
      const next = add()[0];
      next.tabIndex = -1;
      next.focus(); // the button may be gone by now
    };
    viewer.querySelector("#viewer-title").textContent = title;
    aside.textContent = note;
    aside.hidden = !note;
    viewer.classList.toggle("one", images.length === 1);
    const cells = viewer.querySelector(".cells-choice");
    cells.hidden = !images.some((image) => image.source && image.cover);
    chooseCells(!cells.hidden && images.length === 1); // of many, the pictures are what to look at first
    viewer.showModal();
    viewer.scrollTop = 0;
  }

  function chooseCells(shown) {
    const viewer = document.getElementById("viewer");
    viewer.classList.toggle("explaining", shown);
    viewer.querySelector(".cells-choice button").setAttribute("aria-pressed", String(shown));
  }

  function startViewer() {
    const viewer = document.getElementById("viewer");
    viewer.querySelector(".cells-choice button").addEventListener("click", () => chooseCells(!viewer.classList.contains("explaining")));
    viewer.querySelector(".close").addEventListener("click", () => viewer.close());
    viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });
    document.addEventListener("click", (event) => {
      const opener = event.target.closest(".thumbnail .open");
      if (!opener) return;
      const image = opener.querySelector("img");
      const caption = opener.parentElement.querySelector("figcaption").textContent;
      // A page whose script knows more of its images than a thumbnail shows gives each its place.
      const more = opener.dataset.place === undefined ? {} : featx.known(Number(opener.dataset.place));
      show(image.alt, [{ source: image.src, alt: image.alt, caption, ...more }]);
    });
  }

  // Read what the page holds for its scripts.
  const data = (id) => JSON.parse(document.getElementById(id).textContent);

  document.addEventListener("DOMContentLoaded", () => {
    startTheme();
    startViewer();
    document.querySelectorAll("table.sortable").forEach(startSorting);
  });
  return { data, make, show };
})();
