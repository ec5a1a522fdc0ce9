// What the browser tests measure on a page; loaded into every page that they open.

window.probes = {
  // Resolves once formulas are drawn and fonts are there.
  async settle() {
    if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
    await document.fonts.ready;
    document.querySelectorAll("img").forEach((image) => (image.loading = "eager"));
    await Promise.all([...document.images].map((image) => image.decode().catch(() => null)));
  },

  // All that a desk shows, in both themes. Hints are open from the start: one layout of the page is enough.
  desk(readable) {
    document.querySelectorAll("details").forEach((each) => (each.open = true));
    const seen = { scrolling: probes.scrolling().map(probes.outline) };
    for (const name of ["unreadMath", "wideFormulas", "poorFigures", "characters"]) seen[name] = probes[name]();
    seen.wide = probes.stickingOut();
    for (const theme of ["light", "dark"]) {
      probes.choose(theme);
      seen[theme] = probes.faint(readable);
      seen[`${theme} figures`] = probes.grounds();
    }
    return seen;
  },

  // All that is looked at after the window became that of a phone.
  async phone() {
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))); // formulas are set anew
    return { narrow: probes.stickingOut(), uncued: probes.uncued(), hiddenNumbers: probes.hiddenNumbers() };
  },

  outline: (node) => node.outerHTML.slice(0, 120),

  // The boxes of the article; the shapes of which formulas and drawings are made lie inside such boxes.
  boxes: () => document.querySelectorAll(".bd-article *:not(mjx-container *, svg *)"),

  // What sticks out to the right of the window although nothing around it scrolls or hides it.
  stickingOut() {
    const width = document.documentElement.clientWidth;
    const held = (node) => {
      for (let up = node.parentElement; up && up !== document.body; up = up.parentElement)
        if (getComputedStyle(up).overflowX !== "visible") return true;
      return false;
    };
    const out = [...probes.boxes()].filter((node) => node.getBoundingClientRect().right > width + 1 && !held(node));
    const sideways = document.documentElement.scrollWidth > width + 1 ? ["the page scrolls sideways"] : [];
    return sideways.concat(out.slice(0, 3).map(probes.outline));
  },

  // What is wider inside than outside and does not show all of itself.
  scrolling: () =>
    [...probes.boxes()].filter(
      (node) =>
        node.scrollWidth > node.clientWidth + 1 && node.clientWidth && getComputedStyle(node).overflowX !== "visible",
    ),

  // What is cut without a shade at the edge that says so, or cannot be scrolled.
  uncued: () =>
    probes
      .scrolling()
      .filter((node) => {
        const style = getComputedStyle(node);
        return !/auto|scroll/.test(style.overflowX) || !style.backgroundAttachment.startsWith("local, local, scroll");
      })
      .map(probes.outline),

  // Numbers of formulas that the window does not show.
  hiddenNumbers: () =>
    [...document.querySelectorAll(".bd-article .eqno")]
      .filter((node) => {
        const { left, right, width } = node.getBoundingClientRect();
        return !width || left < 0 || right > document.documentElement.clientWidth;
      })
      .map((node) => node.textContent),

  // The widths of formulas in em of the text around them, by their source.
  widths: () =>
    [...MathJax.startup.document.math].map(({ math, typesetRoot: box }) => [
      math,
      box.querySelector("svg").getBoundingClientRect().width / parseFloat(getComputedStyle(box.parentElement).fontSize),
    ]),

  // The characters that the page sets in each family of fonts. Chinese ones are left to the reader's system.
  characters() {
    const found = {};
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text = walker.nextNode(); text; text = walker.nextNode()) {
      const node = text.parentElement;
      if (!text.data.trim() || node.closest("script, style, mjx-container")) continue;
      const family = probes.like(node, "family", () => getComputedStyle(node).fontFamily);
      found[family] ??= new Set();
      for (const character of text.data) found[family].add(character);
    }
    const chosen = ([family, set]) => [family, [...set].join("").replace(/[\p{Script=Han}\u3000-\u303f\uff00-\uffef\s]/gu, "")];
    return Object.fromEntries(Object.entries(found).map(chosen));
  },

  // The answer for a node, asked once for all nodes with the same tags and classes up to the root.
  like(node, question, ask) {
    const answers = (probes.answers ??= new Map());
    const paths = (probes.paths ??= new WeakMap());
    const path = (each) => {
      if (!each) return "";
      if (!paths.has(each)) {
        const stripe = each.tagName === "TR" ? each.rowIndex % 2 : "";
        const style = each.getAttribute("style") ?? "";
        paths.set(each, `${path(each.parentElement)}>${each.tagName}.${each.getAttribute("class")}${stripe}${style}`);
      }
      return paths.get(each);
    };
    const key = `${question} ${document.documentElement.dataset.theme} ${path(node)}`;
    if (!answers.has(key)) answers.set(key, ask());
    return answers.get(key);
  },

  // Formulas left as source, and what MathJax could not read.
  unreadMath() {
    const formulas = [...document.querySelectorAll(".math")];
    const left = formulas.filter((node) => !node.querySelector("mjx-container"));
    const errors = [...document.querySelectorAll("[data-mjx-error]")];
    return [
      ...left.map((node) => node.textContent.slice(0, 80)),
      ...errors.map((node) => node.getAttribute("data-mjx-error")),
    ];
  },

  // Displayed formulas that are wider than their column, less the place of the number: they would be cut.
  wideFormulas() {
    const width = (node) => (node ? node.getBoundingClientRect().width : 0);
    return [...document.querySelectorAll(".bd-article div.math")]
      .filter((box) => {
        const formula = box.querySelector("mjx-container > :first-child");
        return width(formula) + width(box.querySelector(".eqno")) > box.clientWidth + 1;
      })
      .map((box) => box.id || box.textContent.slice(0, 40));
  },

  // Images that are not drawn, not described, or come out of a cell without a caption.
  poorFigures() {
    const problems = (image) => {
      const alt = (image.getAttribute("alt") || "").trim();
      return [
        image.naturalWidth === 0 && "not drawn",
        (alt.length < 10 || /\.(svg|png)$|^<Figure/.test(alt)) && `no description: ${alt}`,
        image.closest(".cell_output") && !image.closest("figure")?.querySelector("figcaption") && "no caption",
      ].filter(Boolean);
    };
    return [...document.querySelectorAll(".bd-article img")]
      .map((image) => [image.getAttribute("src").slice(-40), ...problems(image)])
      .filter((row) => row.length > 1);
  },

  // Filters and grounds of images: figures should lie on the page itself.
  grounds() {
    return [...document.querySelectorAll(".bd-article img")]
      .map((image) => getComputedStyle(image))
      .map((style) => `${style.filter} ${style.backgroundColor}`)
      .filter((style) => style !== "none rgba(0, 0, 0, 0)");
  },

  // Text whose contrast (after WCAG 2) with the nearest ground painted behind it is under `limit`.
  faint(limit) {
    const numbers = (colour) => (colour.match(/[\d.]+/g) || []).map(Number);
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const luminance = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
    const ground = (node) => {
      for (; node; node = node.parentElement) {
        const colour = numbers(getComputedStyle(node).backgroundColor);
        if (colour.length === 3 || colour[3] > 0.5) return colour;
      }
      return [255, 255, 255];
    };
    const chosen =
      ".bd-article :is(h1, h2, h3, p, li, td, th, figcaption, summary, a, code, pre, pre span, .caption-text), " +
      ".bd-sidebar-primary a, .bd-sidebar-secondary a, .prev-next-area a, .bd-footer-content p";
    const ratio = (node) => {
      const colours = [luminance(numbers(getComputedStyle(node).color)), luminance(ground(node))];
      const [high, low] = colours.sort((a, b) => b - a);
      return (high + 0.05) / (low + 0.05);
    };
    const found = {};
    for (const node of document.querySelectorAll(chosen)) {
      const says = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
      if (!says || node.closest(".course-explorer")) continue;
      const seen = probes.like(node, "contrast", () => (node.checkVisibility() ? ratio(node) : Infinity));
      if (seen < limit)
        found[`${node.tagName}.${node.className} ${getComputedStyle(node).color}`] =
          `${seen.toFixed(2)}: ${node.textContent.trim().slice(0, 30)}`;
    }
    return found;
  },

  // Text in a family of fonts, to ask the browser which fonts it takes for it.
  async write([family, text]) {
    document.querySelector("#specimen")?.remove();
    const specimen = document.body.appendChild(document.createElement("div"));
    Object.assign(specimen, { id: "specimen", textContent: text });
    specimen.style.fontFamily = family;
    specimen.getBoundingClientRect();
    await document.fonts.ready;
  },

  choose(theme) {
    document.documentElement.dataset.theme = theme;
  },
};
