// Formulas of one size on every machine, in lines that fit the window.

// MathJax states sizes in ex, which depend on the font around a formula; em depends on nothing. offline_math.py
// sets the scale at which the letters of formulas and of the text have one height.
if (window.MathJax)
  MathJax.startup = {
    ready() {
      MathJax._.output.svg_ts.SVG.prototype.ex = (size) => `${size.toFixed(3)}em`;
      MathJax.startup.defaultReady();
      MathJax.startup.promise.then(breakWide);
      addEventListener("resize", breakWide);
    },
  };

// Sets again what is too wide, as on a phone: each part of a row of formulas on a line of its own; if that is not
// enough, each link of a chain of equalities as well. What still does not fit stays whole and scrolls.
// All formulas go through a step together, because to measure one after each change lays out the page each time.
function breakWide() {
  const page = MathJax.startup.document;
  const set = (items, tex) => {
    if (items.length === 0) return items;
    for (const { item, whole } of items) {
      item.math = tex(whole) || whole;
      item.state(MathJax._.core.MathItem.STATE.COMPILED - 1);
    }
    page.processed.reset();
    page.processed.set("findMath");
    page.render();
    return items.filter(wide);
  };
  const wide = ({ item: { typesetRoot: box } }) => box.scrollWidth > box.clientWidth + 1;
  let left = [...page.math].filter((item) => item.display).map((item) => ({ item, whole: item.math })).filter(wide);
  left = set(left, (tex) => rows(parts(tex)));
  left = set(left, (tex) => rows(parts(tex).flatMap(links)));
  set(left, (tex) => tex);
}

const rows = (lines) => lines.length > 1 && `\\begin{aligned}${lines.join("\\\\[0.4em]")}\\end{aligned}`;
const parts = (tex) => split(tex, /^\\q?quad$/).map(([, part]) => `&${part}`).filter((line) => line.trim() !== "&");

function links(part) {
  const [[, first], ...rest] = split(part, /^(=|<|>|\\(le|ge|leq|geq|approx|equiv|propto|to|ne))$/);
  return [first, ...rest.map(([relation, link]) => `&\\quad ${relation}${link}`)];
}

// What stands between the separators that lie in no group, each with the separator before it.
function split(tex, separator) {
  const found = [["", ""]];
  let depth = 0;
  for (const token of tex.match(/\\(?:begin|end)\{\w+\*?\}|\\[a-zA-Z]+|\\.|[^]/g)) {
    if (/^(\{|\\left|\\begin.*)$/.test(token)) depth += 1;
    if (/^(\}|\\right|\\end.*)$/.test(token)) depth -= 1;
    if (depth === 0 && separator.test(token)) found.push([token, ""]);
    else found.at(-1)[1] += token;
  }
  return found;
}
