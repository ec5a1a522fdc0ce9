// MathJax states sizes in ex, which depend on the font around a formula; em makes them the same on every machine.
// offline_math.py sets the scale at which the letters of formulas and text have one height.

if (window.MathJax)
  MathJax.startup = {
    ready() {
      MathJax._.output.svg_ts.SVG.prototype.ex = (size) => `${size.toFixed(3)}em`;
      MathJax.startup.defaultReady();
    },
  };
