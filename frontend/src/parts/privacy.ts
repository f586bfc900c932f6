/** Amounts that are hidden, where they stand in sentences and titles. Those that stand alone are blurred by the styles. */
const AMOUNT = /[−-]?(?:[$€£¥]\s?\d(?:[\d,.]*\d)?|(?<![\d:.,])\d[\d,.]* [A-Z]{3}\b)/g;

/** A title without its amounts, for the browser's own bars. */
export const withoutAmounts = (title: string) => title.replace(AMOUNT, "…");

/** Cover every amount in the text of the page from now on, before it is painted, for as long as amounts are hidden. */
export function coverAmounts(): void {
  if (!("highlights" in CSS)) return;
  const covered = new Highlight();
  CSS.highlights.set("amount", covered);
  const look = () => {
    covered.clear();
    if (!document.documentElement.dataset.private) return;
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const text = texts.currentNode as Text;
      if (text.parentElement?.closest(".money, .private")) continue;
      for (const { 0: amount, index } of text.data.matchAll(AMOUNT)) {
        const at = { startContainer: text, startOffset: index, endContainer: text, endOffset: index + amount.length };
        covered.add(new StaticRange(at));
      }
    }
  };
  const changes = { subtree: true, childList: true, characterData: true, attributeFilter: ["data-private"] };
  new MutationObserver(look).observe(document.documentElement, changes);
  look();
}
