// The words of a query in a text, as `domain/text/highlights.py` finds them.

const DENSE = "\\u0e00-\\u0eff\\u1000-\\u109f\\u1780-\\u17ff\\u3040-\\u30ff\\u31f0-\\u31ff\\u3400-\\u4dbf" +
  "\\u4e00-\\u9fff\\uac00-\\ud7af\\uf900-\\ufaff\\u{20000}-\\u{3ffff}";
const PART = new RegExp(`[${DENSE}]+|(?:(?![${DENSE}])[\\p{L}\\p{N}])+`, "gu");
const IS_DENSE = new RegExp(`^[${DENSE}]`, "u");
const PIECE = /[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+/g;
const OUT = { ä: "ae", ö: "oe", ü: "ue", ø: "oe", å: "aa" };
const LITTLE = new Set((
  "and are but can does for from had has have her his how into its not our she than that the their them " +
  "then there these they this was were what when where which who why will with would you your"
).split(" "));
const LONGER_BY = 3, STEM = 4;

const fold = (text) => text.normalize("NFKD").toLowerCase().replace(/\p{M}/gu, "").replace(/ß/g, "ss");
const spellings = (word) => [fold(word), fold(word.toLowerCase().replace(/[äöüøå]/g, (c) => OUT[c]))];

function isForm(word, other) {
  const [short, long] = word.length < other.length ? [word, other] : [other, word];
  const most = short === other || short.length >= STEM ? LONGER_BY : 0;
  return long.startsWith(short) && long.length - short.length <= most;
}

function readQuery(query) {
  const words = new Set(), begun = new Set(), pairs = new Set();
  for (const { 0: part, index } of query.matchAll(PART)) {
    const letters = [...part];
    if (!IS_DENSE.test(part)) {
      const into = query[index + part.length] === "*" ? begun : words;
      for (const each of spellings(part)) into.add(each);
    } else if (letters.length === 1) pairs.add(part);
    else letters.slice(1).forEach((letter, place) => pairs.add(letters[place] + letter));
  }
  const telling = [...words].filter((word) => word.length > 2 && !LITTLE.has(word));
  const wanted = telling.length ? telling : [...words];
  const has = (text) => spellings(text).some((word) =>
    wanted.some((each) => isForm(word, each)) || [...begun].some((each) => word.startsWith(each)));
  return { has, pairs: [...pairs] };
}

function* findIn(text, { has, pairs }) {
  for (const { 0: part, index } of text.matchAll(PART)) {
    if (IS_DENSE.test(part)) {
      const found = pairs.flatMap((pair) => [...part.matchAll(pair)].map((m) => [m.index, m.index + pair.length]));
      for (const [begin, end] of found.sort((a, b) => a[0] - b[0])) yield [index + begin, index + end];
    } else if (has(part)) yield [index, index + part.length];
    else {
      const pieces = /^[\x20-\x7e]*$/.test(part) ? [...part.matchAll(PIECE)] : [];
      for (const piece of pieces.length > 1 ? pieces : [])
        if (has(piece[0])) yield [index + piece.index, index + piece.index + piece[0].length];
    }
  }
}

/** The text as one element in which what was looked for is marked; only text nodes hold any of it. */
function marked(text, query) {
  const parts = [];
  let at = 0, open = null;
  for (const [begin, end] of findIn(text, readQuery(query))) {
    if (open && begin <= at) {
      if (end > at) open.append(text.slice(at, end));
    } else {
      open = h("mark", null, text.slice(begin, end));
      parts.push(text.slice(at, begin), open);
    }
    at = Math.max(at, end);
  }
  return h("bdi", null, ...parts, text.slice(at));
}
