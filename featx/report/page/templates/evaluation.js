"use strict";
// The page of an evaluation: cells and points that open their images, curves to choose.
document.addEventListener("DOMContentLoaded", () => {
  const { classes, paths, images, truth, predicted, confidence, thumbnails, kind, map, cells } = featx.data("evaluation");

  // A name in Arabic or Hebrew, say, turns none of what is around it.
  const isolated = (name) => (/[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u.test(name) ? `\u2068${name}\u2069` : name);
  // As the tables give a share: with more digits where three would read as all or none.
  const share = (value) => {
    let digits = 3;
    while (value > 0 && value < 1 && digits < 6 && [0, 1].includes(Number(value.toFixed(digits)))) digits += 1;
    return value.toFixed(digits);
  };
  const captionOf = (place) => {
    const found = `${isolated(classes[predicted[place]])} ${share(confidence[place])}`;
    const wrong = truth[place] === predicted[place] ? "" : `, is ${isolated(classes[truth[place]])}`;
    return `${found}${wrong}\n${paths[place]}`;
  };
  const cover = cells && featx.cells(cells);
  // What the script knows of an image beside its thumbnail.
  featx.known = (place) => (cells?.letters[place] ? {
    covered: `cells: ${classes[predicted[place]]} against ${classes[cells.others[place]]}`,
    cover: (picture) => cover(picture, cells.letters[place]),
  } : {});
  // Where an image lies, as seen from the page; a path of its own, from a manifest, is not below the folder of the others.
  // A byte of a name that is not UTF-8 stands in it as an escape, \udce9 for E9.
  const quoted = (part) => encodeURIComponent(part).replace(/%5Cudc([0-9a-f]{2})/g, "%$1");
  const fileOf = (path) => (images && !/^([A-Za-z]:|[\\/])/.test(path) ? `${images}/${path.split("/").map(quoted).join("/")}` : "");
  const imageOf = (place) => ({
    source: thumbnails[place] ? `data:${kind};base64,${thumbnails[place]}` : "",
    file: fileOf(paths[place]),
    caption: captionOf(place),
    alt: `${classes[truth[place]]}, predicted ${classes[predicted[place]]}`,
    ...featx.known(place),
  });

  function openCell(row, column) {
    const places = [];
    truth.forEach((label, place) => { if (label === row && predicted[place] === column) places.push(place); });
    places.sort((a, b) => confidence[b] - confidence[a]);
    const title = row === column ? `${classes[row]}, found` : `${classes[row]}, taken for ${classes[column]}`;
    featx.show(title, places.map(imageOf), `${places.length} ${places.length === 1 ? "image" : "images"}, the surest first`);
  }
  document.querySelectorAll("button[data-true]").forEach((button) => {
    button.addEventListener("click", () => openCell(Number(button.dataset.true), Number(button.dataset.predicted)));
  });

  const chooser = document.getElementById("curve-class");
  if (chooser) {
    const curves = [...document.querySelectorAll("#curves .curve")];
    const choose = () => {
      for (const curve of curves) {
        const chosen = curve.dataset.class === chooser.value;
        curve.classList.toggle("on", chosen);
        if (chosen) curve.parentElement.append(curve); // on top of the others
      }
      document.querySelector(".chosen").textContent = chooser.selectedOptions[0].textContent; // for paper, which has no chooser
    };
    chooser.addEventListener("change", choose);
    choose();
  }

  const drawing = document.getElementById("map");
  if (drawing) startMap(drawing);

  function startMap(svg) {
    const [WIDTH, HEIGHT, MARGIN] = [720, 460, 18];
    const said = document.getElementById("map-said");
    const shape = (name, attributes) => {
      const element = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      return element;
    };
    // On a phone the drawing is shrunk, and its points with it.
    const radius = (map.rows.length > 1500 ? 3 : 4.5) * (svg.clientWidth && svg.clientWidth < 480 ? 1.6 : 1);
    const points = map.rows.map((place, number) => ({
      place, x: MARGIN + map.x[number] * (WIDTH - 2 * MARGIN), y: MARGIN + map.y[number] * (HEIGHT - 2 * MARGIN),
      wrong: truth[place] !== predicted[place],
    }));
    // Mistakes last, so that they lie on top.
    for (const point of [...points].sort((a, b) => a.wrong - b.wrong)) {
      const [colour, form] = map.marks[truth[point.place]];
      const scale = radius * (point.wrong ? 1.25 : 1);
      const transform = `translate(${point.x} ${point.y}) scale(${scale})`;
      point.element = shape("path", { class: `point map-${colour}${point.wrong ? " wrong" : ""}`, d: map.shapes[form], transform });
      point.element.dataset.place = point.place;
      svg.append(point.element);
    }
    const here = shape("circle", { class: "here", r: radius + 5, visibility: "hidden" });
    svg.append(here);
    const byPlace = new Map(points.map((point) => [point.place, point]));

    const card = featx.make("div", { id: "hover", hidden: "" });
    svg.parentElement.append(card);
    const pointOf = (event) => byPlace.get(Number(event.target.dataset?.place ?? NaN));
    svg.addEventListener("pointerover", (event) => {
      const point = pointOf(event);
      if (!point || event.pointerType === "touch") return;
      const image = imageOf(point.place);
      const figure = featx.make("figure", { class: "thumbnail" });
      if (image.source) figure.append(featx.make("img", { src: image.source, alt: "" }));
      figure.append(featx.make("figcaption", {}, image.caption));
      card.replaceChildren(figure);
      card.hidden = false;
      const [outer, inner] = [svg.parentElement.getBoundingClientRect(), point.element.getBoundingClientRect()];
      const left = inner.left - outer.left + 14;
      card.style.left = `${left + card.offsetWidth > outer.width ? left - card.offsetWidth - 24 : left}px`;
      card.style.top = `${Math.max(0, inner.top - outer.top - card.offsetHeight / 2)}px`;
    });
    svg.addEventListener("pointerout", () => { card.hidden = true; });

    const open = (point) => featx.show(classes[truth[point.place]], [imageOf(point.place)]);
    svg.addEventListener("click", (event) => {
      const point = pointOf(event);
      if (point) { goTo(point); open(point); }
    });

    let current = null;
    function goTo(point) {
      current = point;
      here.setAttribute("cx", point.x);
      here.setAttribute("cy", point.y);
      here.setAttribute("visibility", "visible");
      said.textContent = captionOf(point.place).replace("\n", ", ");
    }
    const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    svg.addEventListener("keydown", (event) => {
      if ((event.key === "Enter" || event.key === " ") && current) {
        event.preventDefault();
        open(current);
      }
      const way = WAYS[event.key];
      if (!way) return;
      event.preventDefault();
      if (!current) return goTo(points[0]);
      // The nearest that lies more ahead than aside.
      let [best, least] = [null, Infinity];
      for (const point of points) {
        const [dx, dy] = [point.x - current.x, point.y - current.y];
        const ahead = dx * way[0] + dy * way[1];
        const aside = Math.abs(dx * way[1]) + Math.abs(dy * way[0]);
        if (point === current || ahead <= 0 || aside > ahead) continue;
        const distance = ahead + 2 * aside;
        if (distance < least) [best, least] = [point, distance];
      }
      if (best) goTo(best);
    });

    const legend = document.getElementById("legend");
    legend.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      const pressed = button.getAttribute("aria-pressed") !== "true";
      legend.querySelectorAll("button").forEach((other) => other.setAttribute("aria-pressed", "false"));
      button.setAttribute("aria-pressed", String(pressed));
      for (const point of points) {
        point.element.classList.toggle("dim", pressed && truth[point.place] !== Number(button.dataset.class));
      }
    });
  }
});
