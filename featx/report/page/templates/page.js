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
  let shownNow = 0;

  // Put the file itself in the place of its small copy, if it is still where it was when the page was made.
  function enlarge(figure, image) {
    const picture = figure.querySelector("img");
    if (!image.file || !picture) return;
    const said = make("p", { class: "file-note small" });
    figure.append(said);
    const [file, asked] = [new Image(), shownNow];
    file.addEventListener("load", () => {
      if (asked !== shownNow) return;
      picture.src = file.src;
      const link = make("a", { href: image.file, target: "_blank", rel: "noopener" }, "Open the file");
      said.append(link, `, ${file.naturalWidth} × ${file.naturalHeight} px`);
    });
    file.addEventListener("error", () => {
      if (asked === shownNow) said.textContent = "A small copy: its file is not where it was, or of a kind that browsers do not show.";
    });
    file.src = image.file;
  }

  // Show images, objects with source, caption and alt, in the dialog; with file, where each lies; with cover, which draws over
  // the picture, and covered, what. Of many images each opens alone, and `back` shows them all again.
  function show(title, images, note = "", back = null) {
    const viewer = document.getElementById("viewer");
    const [grid, more, aside, ways] = [".grid", ".more", ".viewer-note", ".back"].map((name) => viewer.querySelector(name));
    let shown = 0;
    shownNow += 1;
    const alone = (image) => () => show(title, [image], "", () => show(title, images, note));
    const add = () => {
      const some = images.slice(shown, shown + AT_ONCE).map((image) => {
        const figure = thumbnail(image);
        const shownPicture = figure.firstElementChild;
        if (images.length > 1 && image.source) {
          const button = make("button", { type: "button", class: "alone" });
          button.addEventListener("click", alone(image));
          shownPicture.replaceWith(button);
          button.append(shownPicture);
        } else enlarge(figure, image);
        return figure;
      });
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
    ways.hidden = !back;
    ways.onclick = back;
    viewer.querySelector("#viewer-title").textContent = title;
    aside.textContent = note;
    aside.hidden = !note;
    viewer.classList.toggle("one", images.length === 1);
    const cells = viewer.querySelector(".cells-choice");
    cells.hidden = !images.some((image) => image.source && image.cover);
    chooseCells(!cells.hidden && images.length === 1); // of many, the pictures are what to look at first
    if (!viewer.open) viewer.showModal();
    else (back ? ways : viewer.querySelector(".close")).focus(); // what had the focus is gone
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
      show(image.alt, [{ source: image.src, alt: image.alt, caption, file: opener.dataset.file, ...more }]);
    });
  }

  // Letters alone, without accents and capitals: what is typed finds what is written in another way.
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

  // Put a field before an element that hides those items, [text, ...elements], that do not hold every word typed into it.
  function startFilter(before, name, items) {
    const id = `filter-${document.querySelectorAll(".filter").length + 1}`;
    const field = make("input", { type: "search", id, autocomplete: "off", spellcheck: "false" });
    const said = make("output", { for: id, "aria-live": "polite" });
    before.before(make("p", { class: "filter" }, make("label", { for: id }, `Filter ${name}`), " ", field, " ", said));
    const texts = items.map(([text]) => plain(text));
    const run = () => {
      const words = plain(field.value).split(/\s+/).filter(Boolean);
      let kept = 0;
      items.forEach(([, ...elements], place) => {
        const holds = words.every((word) => texts[place].includes(word));
        kept += holds;
        elements.forEach((element) => element.classList.toggle("filtered", !holds));
      });
      said.textContent = words.length ? `${kept} of ${items.length}` : "";
    };
    field.addEventListener("input", run);
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !field.value) return;
      field.value = "";
      run();
    });
  }

  function startFilterOfTable(table) {
    // What a row is of, and what else it names; of a table without such cells all that is no number.
    const isName = (cell) => cell.matches("th, .named");
    const names = (row) => {
      const cells = [...row.cells];
      return (cells.some(isName) ? cells.filter(isName) : cells.filter((cell) => !cell.matches(".number"))).map((cell) => cell.textContent);
    };
    const items = [...table.tBodies[0].rows].map((row) => [names(row).join(" "), row]);
    startFilter(table.closest(".scroll") ?? table, table.dataset.filter, items);
  }

  function startFilterOfParts(contents) {
    const links = [...contents.querySelectorAll("a[href^='#class-']")];
    const items = links.map((link) => [link.querySelector("bdi").textContent, link, document.querySelector(link.getAttribute("href"))]);
    startFilter(contents, contents.dataset.filterParts, items);
  }

  // Read what the page holds for its scripts.
  const data = (id) => JSON.parse(document.getElementById(id).textContent);

  document.addEventListener("DOMContentLoaded", () => {
    startTheme();
    startViewer();
    document.querySelectorAll("table.sortable").forEach(startSorting);
    document.querySelectorAll("table[data-filter]").forEach(startFilterOfTable);
    document.querySelectorAll("[data-filter-parts]").forEach(startFilterOfParts);
  });
  return { data, make, show };
})();
