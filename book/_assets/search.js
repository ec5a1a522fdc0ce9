// How search orders what it found. Sphinx counts words alone; who types the name of a chapter wants the chapter.

var Scorer = {
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,

  // A page whose title has all words of the query comes first; the less else its title says, the earlier.
  score([page, title, anchor, description, score]) {
    const letters = (text) => text.toLowerCase().match(/\p{Letter}+/gu) ?? [];
    const asked = letters(new URLSearchParams(location.search).get("q") ?? "");
    const named = letters(title.replace(/<[^>]*>/g, "")).join("");
    const matches = asked.length && asked.every((word) => named.includes(word));
    return matches && !anchor && !description ? score + (1000 * asked.join("").length) / named.length : score;
  },
};
