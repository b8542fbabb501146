import { ROOT_PATH } from "../api";
import { Dialog } from "../ui";

type Shortcut = readonly [keys: readonly string[], does: string];

const GROUPS: readonly (readonly [title: string, shortcuts: readonly Shortcut[]])[] = [
  [
    "Anywhere",
    [
      [["?"], "these keys"],
      [["n"], "new run"],
      [["g", "i"], "what needs you"],
      [["u"], "back to all runs"],
      [["Esc"], "close what is open"],
    ],
  ],
  [
    "All runs",
    [
      [["/"], "search"],
      [["j", "k"], "down, up"],
      [["Enter"], "open"],
      [["x"], "select for a comparison"],
      [["c"], "compare the two selected"],
      [["s"], "stop"],
      [["d"], "delete"],
    ],
  ],
  [
    "A run",
    [
      [["1", "2", "3", "4"], "chat, trace, steps, files"],
      [["←", "→"], "next tab, on the tabs"],
      [["j", "k"], "down, up in a list"],
      [["Enter"], "send (Shift+Enter: new line)"],
      [["i"], "interrupt the turn"],
      [["Esc", "Esc"], "the same, in the chat"],
    ],
  ],
  [
    "What is asked",
    [
      [["1", "…", "9"], "choose an option"],
      [["Enter"], "answer"],
      [["a", "d"], "allow, deny"],
      [["⇧A"], "allow with what is suggested"],
      [["e"], "change the input first"],
      [["Tab"], "the next question"],
    ],
  ],
  [
    "Replay",
    [
      [["r"], "rewind, or back to the end"],
      [["Space"], "play, pause"],
      [[",", "."], "one event back, on"],
      [["<", ">"], "slower, faster"],
    ],
  ],
];

/** All keys there are. */
export function Help({ onClose }: { readonly onClose: () => void }) {
  return (
    <Dialog title="Keyboard" size="lg" onClose={onClose}>
      <div className="keys">
        {GROUPS.map(([title, shortcuts]) => (
          <section key={title}>
            <h3>{title}</h3>
            <dl>
              {shortcuts.map(([keys, does]) => (
                <div key={does} className="keys-row">
                  <dt>
                    {keys.map((key) => (
                      <kbd key={key} className="kbd">
                        {key}
                      </kbd>
                    ))}
                  </dt>
                  <dd>{does}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <p className="muted">
        The API has a page of its own: <a href={`${ROOT_PATH}/docs`}>/docs</a>.
      </p>
    </Dialog>
  );
}
