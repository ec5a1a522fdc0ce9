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

  // A page whose title has all words of the query comes first, the one with the fewest other words before the rest.
  score([page, title, anchor, description, score]) {
    const words = (text) => text.toLowerCase().match(/[\p{Letter}\p{Number}]+/gu) ?? [];
    const asked = words(new URLSearchParams(location.search).get("q") ?? "");
    const named = words(title);
    const matches = asked.length && asked.every((each) => named.some((word) => word.startsWith(each)));
    return matches && !anchor && !description ? score + (1000 * asked.length) / named.length : score;
  },
};
