import { useState } from "react";
import { setToken, useToken } from "../api";
import { Button, Dialog, Field } from "../ui";

/** Asks for the token when the relay has said 401. */
export function TokenDialog() {
  const { token, wanted } = useToken();
  const [text, setText] = useState("");
  const [closed, setClosed] = useState(false);
  if (!wanted) {
    if (closed) setClosed(false);
    return null;
  }
  if (closed) {
    return (
      <div className="token-reminder">
        <Button variant="primary" onClick={() => setClosed(false)}>
          Enter the token
        </Button>
      </div>
    );
  }
  return (
    <Dialog title="This relay wants a token" size="sm" onClose={() => setClosed(true)}>
      <form
        className="token-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (text.trim() !== "") setToken(text.trim());
        }}
      >
        <Field
          label="Token"
          hint="What `tailcast serve --token` was given, or TAILCAST_TOKEN. It is kept for this tab until you close it."
          error={token === null ? undefined : "The relay did not accept that token."}
        >
          {(control) => (
            <input
              {...control}
              className="input"
              type="password"
              autoComplete="current-password"
              autoFocus
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
          )}
        </Field>
        <Button variant="primary" type="submit" disabled={text.trim() === ""}>
          Go on
        </Button>
      </form>
    </Dialog>
  );
}
