/** Text to take along: a key, an address, a command. */
import { useState } from "react";
import { Button } from "./Button";
import { say } from "./Says";

export function CopyText({ text, label = "Copy" }: { text: string; label?: string }) {
  const [isCopied, setCopied] = useState(false);
  const copy = () =>
    navigator.clipboard.writeText(text).then(
      () => {
        setCopied(true);
        say("Copied");
      },
      () => say("This browser does not let the page copy. Mark the text and copy it by hand."),
    );
  return (
    <div className="stack tight">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keys. */}
      <pre tabIndex={0}>{text}</pre>
      <div className="row end">
        <Button act={label} icon={isCopied ? "check" : "copy"} look="quiet" onClick={() => void copy()} />
      </div>
    </div>
  );
}
