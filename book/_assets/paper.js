// Paper is white: a page wears the light theme while it is printed, whatever the reader's system asks for.

const root = document.documentElement;
let worn;

function onPaper() {
  worn ??= root.dataset.theme;
  root.dataset.theme = "light";
}

function onScreen() {
  root.dataset.theme = worn ?? root.dataset.theme;
  worn = undefined;
}

addEventListener("beforeprint", onPaper);
addEventListener("afterprint", onScreen);
matchMedia("print").addEventListener("change", (event) => (event.matches ? onPaper() : onScreen()));
