// What the browser tests measure on a page; loaded into every page that they open.

window.probes = {
  // Resolves once formulas are drawn and fonts are there.
  async settle() {
    if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
    await document.fonts.ready;
    document.querySelectorAll("img").forEach((image) => (image.loading = "eager"));
    await Promise.all([...document.images].map((image) => image.decode().catch(() => null)));
  },

  // What sticks out to the right of the window although nothing around it scrolls or hides it.
  stickingOut() {
    const width = document.documentElement.clientWidth;
    const held = (node) => {
      for (let up = node.parentElement; up && up !== document.body; up = up.parentElement)
        if (getComputedStyle(up).overflowX !== "visible") return true;
      return false;
    };
    const out = [...document.querySelectorAll(".bd-article *")].filter(
      (node) => node.getBoundingClientRect().right > width + 1 && !held(node),
    );
    const sideways = document.documentElement.scrollWidth > width + 1 ? ["the page scrolls sideways"] : [];
    return sideways.concat(out.slice(0, 3).map((node) => node.outerHTML.slice(0, 120)));
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
    const found = {};
    for (const node of document.querySelectorAll(chosen)) {
      const says = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
      if (!says || !node.getClientRects().length || node.closest(".course-explorer")) continue;
      const colour = getComputedStyle(node).color;
      const [high, low] = [luminance(numbers(colour)), luminance(ground(node))].sort((a, b) => b - a);
      const ratio = (high + 0.05) / (low + 0.05);
      if (ratio < limit)
        found[`${node.tagName}.${node.className} ${colour}`] =
          `${ratio.toFixed(2)}: ${node.textContent.trim().slice(0, 30)}`;
    }
    return found;
  },

  openEverything() {
    document.querySelectorAll("details").forEach((each) => (each.open = true));
  },

  choose(theme) {
    document.documentElement.dataset.theme = theme;
  },
};
