/** How you sign in, and where you are signed in. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { answered, api, ask, at, type Refused } from "@/api/client";
import { HAS_PASSKEYS, makePasskey } from "@/api/passkeys";
import { queries, SESSION } from "@/api/session";
import { Button, Card, Confirm, Dialog, ErrorSummary, Form, Loaded, Page, State, say, TextField } from "@/parts";
import { type Column, Table } from "@/parts/Table";
import { When } from "@/parts/When";
import { SettingsTabs } from "../settings/SettingsTabs";
import { Codes } from "./Codes";

export const KEY = ["security"];
export const readSecurity = () => answered(api.GET("/app/security"));
export type SecurityFacts = Awaited<ReturnType<typeof readSecurity>>;
type Passkey = SecurityFacts["passkeys"][number];
type Listed = SecurityFacts["sessions"][number];

export default function Security() {
  const query = useQuery({ queryKey: KEY, queryFn: readSecurity });
  return (
    <Page title="Settings">
      <SettingsTabs />
      <Loaded query={query}>
        {(security) => (
          <>
            <Passkeys security={security} />
            <Codes security={security} />
            <Password />
            <Sessions sessions={security.sessions} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

/** Read anew how somebody signs in. */
export async function refresh() {
  void queries.invalidateQueries({ queryKey: SESSION });
  await queries.invalidateQueries({ queryKey: KEY });
}

export function Passkeys({ security }: { security: SecurityFacts }) {
  const [isAdding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<Passkey | null>(null);
  const columns: Column<Passkey>[] = [
    { title: "Passkey", isName: true, cell: ({ name }) => name },
    { title: "Added", cell: ({ createdAt }) => <When at={createdAt} real /> },
    { title: "Last used", cell: ({ usedAt }) => <When at={usedAt} real /> },
    {
      title: "",
      align: "end",
      cell: (passkey) => (
        <Button look="quiet" onClick={() => setRemoving(passkey)}>
          Remove<span className="hidden"> {passkey.name}</span>
        </Button>
      ),
    },
  ];
  const canAdd = HAS_PASSKEYS && security.passkeyHost !== null;
  return (
    <Card
      title="Passkeys"
      flush={security.passkeys.length > 0}
      actions={canAdd && <Button act="Add a passkey" icon="plus" onClick={() => setAdding(true)} />}
    >
      {security.passkeys.length > 0 ? (
        <Table caption="Your passkeys" columns={columns} rows={security.passkeys} rowKey={({ id }) => id} />
      ) : (
        <p className="soft">
          {canAdd
            ? "Sign in with a fingerprint, a face or a security key, without a password that could be stolen."
            : "A passkey needs this app to be opened by a name over HTTPS, or as localhost."}
        </p>
      )}
      {isAdding && <Adding onClose={() => setAdding(false)} />}
      {removing && <Removing passkey={removing} onClose={() => setRemoving(null)} />}
    </Card>
  );
}

function Adding({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState("");
  const add = useMutation<unknown, Refused>({
    mutationFn: async () =>
      ask(api.POST("/app/security/passkeys", { body: { name, credential: await makePasskey() } })),
    onSuccess: async () => {
      await refresh();
      say("Passkey added");
      onClose();
    },
  });
  return (
    <Dialog title="Add a passkey" isOpen onClose={onClose}>
      <Form error={add.error} act="Continue in the browser" isBusy={add.isPending} onSend={() => add.mutate()}>
        <TextField
          label="Name"
          hint="So that you know it later: the phone, the laptop, the key in the drawer."
          required
          maxLength={60}
          value={name}
          onValue={setName}
        />
      </Form>
    </Dialog>
  );
}

function Removing({ passkey, onClose }: { passkey: Passkey; onClose: () => void }) {
  const done = async () => {
    await refresh();
    say("Passkey removed");
    onClose();
  };
  return (
    <Confirm
      title="Remove this passkey?"
      act="Remove"
      isDanger
      isOpen
      onAct={() => ask(api.DELETE("/app/security/passkeys/{id}", at(passkey.id)))}
      onDone={done}
      onClose={onClose}
    >
      <p>
        Nobody can sign in with <strong>{passkey.name}</strong> any more.
      </p>
    </Confirm>
  );
}

function Password() {
  const [password, setPassword] = useState("");
  const change = useMutation<unknown, Refused>({
    mutationFn: () => ask(api.POST("/app/security/password", { body: { password } })),
    onSuccess: async () => {
      setPassword("");
      await refresh();
      say("Password changed. Everywhere else you are signed out.");
    },
  });
  return (
    <Card title="Password">
      <Form error={change.error} act="Change password" isMinor isBusy={change.isPending} onSend={() => change.mutate()}>
        <div className="fields">
          <TextField
            label="New password"
            hint="At least 10 characters."
            type="password"
            autoComplete="new-password"
            required
            value={password}
            onValue={setPassword}
            error={change.error?.of("password")}
          />
        </div>
      </Form>
    </Card>
  );
}

function Sessions({ sessions }: { sessions: readonly Listed[] }) {
  const end = useMutation<unknown, Refused, string | null>({
    mutationFn: (id) =>
      id === null ? ask(api.DELETE("/app/security/sessions")) : ask(api.DELETE("/app/security/sessions/{id}", at(id))),
    onSuccess: () => say("Signed out there"),
    onSettled: refresh,
  });
  const columns: Column<Listed>[] = [
    {
      title: "Browser",
      isName: true,
      cell: ({ browser, isCurrent }) => (
        <span className="row">
          {browser} {isCurrent && <State tone="good">This one</State>}
        </span>
      ),
    },
    { title: "From", cell: ({ address }) => <span className="private">{address}</span> },
    { title: "Signed in", cell: ({ createdAt }) => <When at={createdAt} real /> },
    { title: "Last seen", cell: ({ seenAt }) => <When at={seenAt} real /> },
    {
      title: "",
      align: "end",
      cell: ({ id, isCurrent, browser }) =>
        !isCurrent && (
          <Button look="quiet" onClick={() => end.mutate(id)}>
            Sign out<span className="hidden"> {browser}</span>
          </Button>
        ),
    },
  ];
  return (
    <Card
      title="Where you are signed in"
      flush
      actions={
        sessions.length > 1 && (
          <Button act="Sign out everywhere else" disabled={end.isPending} onClick={() => end.mutate(null)} />
        )
      }
    >
      <ErrorSummary error={end.error} />
      <Table caption="Your sessions" columns={columns} rows={sessions} rowKey={({ id }) => id} />
    </Card>
  );
}
