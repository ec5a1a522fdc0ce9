(() => {
  // Every copy on the page, so that nothing depends on ids; a copy that is ready is left alone.
  for (const host of document.querySelectorAll('.course-explorer[data-key="KEY"]')) {
    if (!host.shadowRoot) start(host);
  }

  function start(host) {
    const heads = [...host.querySelectorAll("table")].map((table) => ({
      name: table.dataset.head,
      numbers: [...table.tBodies[0].rows].map((row) => [...row.cells].slice(1).map((cell) => cell.textContent)),
    }));
    for (const each of heads) each.weights = each.numbers.map((row) => row.map(Number));
    const first = host.querySelector("table");
    const queries = [...first.tBodies[0].rows].map((row) => row.cells[0].textContent);
    const keys = [...first.tHead.rows[0].cells].slice(1).map((cell) => cell.textContent);
    const rowHeight = Math.max(queries.length, keys.length) > 16 ? 24 : 30;
    const root = host.attachShadow({ mode: "open" });
    root.append(host.querySelector("template").content.cloneNode(true));
    let head = 0;
    let query = Number(host.dataset.start);

    const card = add(root, "section", { class: "card", "aria-label": host.dataset.title });
    card.style.setProperty("--row", rowHeight + "px");
    card.style.setProperty("--token", Math.min(9, Math.max(...keys.map((key) => key.length)) * 0.62 + 1.4) + "em");
    add(card, "h4", {}, host.dataset.title);
    const body = add(card, "div", { class: "body" });

    const stage = add(body, "div", { class: "stage" });
    add(stage, "div", { class: "head-row q" }, "query");
    add(stage, "div", { class: "head-row" });
    add(stage, "div", { class: "head-row k" }, "key");
    const choices = radios(stage, "queries", "query", queries, (i) => show(head, i));
    choices.forEach((choice, i) => choice.addEventListener("pointerenter", (event) => {
      if (event.pointerType === "mouse") show(head, i);
    }));
    const height = rowHeight * Math.max(queries.length, keys.length);
    const links = add(stage, "svg", { class: "links", height, viewBox: `0 0 100 ${height}`,
      preserveAspectRatio: "none", "aria-hidden": true });
    const paths = keys.map(() => add(links, "path", {}));
    const list = add(stage, "ul", { "aria-label": "weights on the keys" });
    const items = keys.map((key) => {
      const item = add(list, "li", {});
      const token = add(item, "span", { class: "token", title: key }, key);
      const tint = add(token, "i", {});
      const bar = add(add(item, "span", { class: "track" }), "i", {});
      return { item, tint, bar, number: add(item, "span", { class: "number" }) };
    });

    const side = add(body, "div", { class: "side" });
    const whole = add(side, "div", {});
    add(whole, "div", { class: "label" }, "all queries");
    const map = add(whole, "div", { class: "map", role: "img", "aria-label": "map of all queries and keys" });
    const cell = Math.max(2, Math.min(18, Math.floor(192 / Math.max(queries.length, keys.length))));
    const picture = drawing(map, heads[0].weights);
    picture.style.cssText = `width:${cell * keys.length}px;height:${cell * queries.length}px`;
    const frame = add(map, "b", {});
    frame.style.height = cell + 4 + "px";
    const point = (event) => {
      const i = Math.floor((event.clientY - map.getBoundingClientRect().top) / cell);
      show(head, Math.min(Math.max(i, 0), queries.length - 1));
    };
    map.addEventListener("pointermove", point);
    map.addEventListener("click", point);
    let buttons = [];
    if (heads.length > 1) {
      const box = add(side, "div", { class: "heads-box" });
      add(box, "div", { class: "label" }, "head");
      buttons = radios(box, "heads", "head", heads.map((each) => each.name), (i) => show(i, query));
      buttons.forEach((button, i) => {
        button.prepend(drawing(button, heads[i].weights));
      });
    }
    const status = add(card, "div", { class: "status", "aria-live": "polite" });
    show(head, query);

    function show(newHead, newQuery) {
      head = newHead;
      query = newQuery;
      check(choices, query);
      check(buttons, head);
      paint(picture, heads[head].weights);
      frame.style.top = query * cell - 2 + "px";
      const y = (i) => (i + 0.5) * rowHeight;
      heads[head].weights[query].forEach((weight, i) => {
        const { item, tint, bar, number } = items[i];
        paths[i].setAttribute("d", `M0 ${y(query)}C50 ${y(query)} 50 ${y(i)} 100 ${y(i)}`);
        paths[i].style.strokeWidth = weight && 0.5 + 9 * weight + "px";
        paths[i].style.opacity = weight && 0.15 + 0.85 * weight;
        tint.style.opacity = 0.35 * weight;
        bar.style.width = 100 * weight + "%";
        number.textContent = heads[head].numbers[query][i];
        item.classList.toggle("none", number.textContent === "0");
      });
      const ranked = heads[head].weights[query].map((weight, i) => [weight, keys[i]]).sort((a, b) => b[0] - a[0]);
      status.textContent = `${queries[query]}: ` +
        ranked.slice(0, 3).map(([weight, key]) => `${key} ${weight.toFixed(2)}`).join(", ");
    }
  }

  function drawing(parent, weights) {
    const picture = add(parent, "svg", {
      class: "weights", viewBox: `0 0 ${weights[0].length} ${weights.length}`, preserveAspectRatio: "none",
      "shape-rendering": "crispEdges", "aria-hidden": true,
    });
    paint(picture, weights);
    return picture;
  }

  // One path for each of 64 levels: quick with thousands of cells, and coloured by the theme.
  function paint(picture, weights) {
    const levels = new Map();
    weights.forEach((row, y) => row.forEach((weight, x) => {
      const level = Math.ceil(weight * 64);
      if (level) levels.set(level, `${levels.get(level) ?? ""}M${x} ${y}h1v1h-1z`);
    }));
    picture.replaceChildren();
    for (const [level, d] of levels) add(picture, "path", { d, opacity: level / 64 });
  }

  function add(parent, tag, attributes, text) {
    const node = tag === "svg" || tag === "path"
      ? document.createElementNS("http://www.w3.org/2000/svg", tag)
      : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    return parent.appendChild(node);
  }

  function radios(parent, className, label, names, choose) {
    const group = add(parent, "div", { class: className, role: "radiogroup", "aria-label": label });
    const all = names.map((name, i) => {
      const button = add(group, "button", { type: "button", role: "radio", title: name });
      add(button, "span", {}, name);
      button.addEventListener("click", () => choose(i));
      return button;
    });
    const steps = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };
    group.addEventListener("keydown", (event) => {
      const now = all.findIndex((button) => button.tabIndex === 0);
      let next = now + (steps[event.key] ?? 0);
      if (event.key === "Home") next = 0;
      if (event.key === "End") next = all.length - 1;
      if (!(event.key in steps) && next === now) return;
      next = (next + all.length) % all.length;
      event.preventDefault();
      event.stopPropagation(); // a notebook and the book have shortcuts of their own
      choose(next);
      all[next].focus();
    });
    return all;
  }

  function check(all, chosen) {
    all.forEach((button, i) => {
      button.setAttribute("aria-checked", i === chosen);
      button.tabIndex = i === chosen ? 0 : -1;
    });
  }
})();
