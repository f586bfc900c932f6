/** Who can sign in, with which role, and who is invited. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { answered, api, ask, at, BASE, type Refused } from "@/api/client";
import { queries, SESSION, usePerson } from "@/api/session";
import { Button, Confirm, Dialog, Empty, ErrorSummary, Form, Loaded, SelectField, say, TextField, When } from "@/parts";
import { CopyText } from "@/parts/CopyText";
import { Card, Page, useNew } from "@/parts/Page";
import { type Column, Table } from "@/parts/Table";
import { SettingsTabs } from "../settings/SettingsTabs";
import { ROLE_OPTIONS, ROLES, type Role } from "./roles";

const PEOPLE = ["people"];
const INVITATIONS = ["invitations"];
const readPeople = () => answered(api.GET("/app/people"));
const readInvitations = () => answered(api.GET("/app/invitations"));
type Person = Awaited<ReturnType<typeof readPeople>>[number];
type Invitation = Awaited<ReturnType<typeof readInvitations>>[number];

export default function People() {
  const isAdmin = usePerson().role === "ADMIN";
  const [isInviting, setInviting] = useNew();
  const query = useQuery({ queryKey: PEOPLE, queryFn: readPeople });
  return (
    <Page
      title="Settings"
      actions={
        isAdmin && (
          <Button act="Invite" icon="plus" look="primary" aria-keyshortcuts="n" onClick={() => setInviting(true)} />
        )
      }
    >
      <SettingsTabs />
      <Loaded query={query}>{(people) => <PeopleTable people={people} />}</Loaded>
      {isAdmin && <Invitations />}
      <Card title="Roles">
        <dl className="stack tight">
          {Object.values(ROLES).map(({ word, may }) => (
            <div key={word} className="row">
              <dt>
                <strong>{word}</strong>
              </dt>
              <dd className="soft">{may}</dd>
            </div>
          ))}
        </dl>
      </Card>
      <Inviting isOpen={isInviting && isAdmin} onClose={() => setInviting(false)} />
    </Page>
  );
}

function PeopleTable({ people }: { people: readonly Person[] }) {
  const [changing, setChanging] = useState<Person | null>(null);
  const [removing, setRemoving] = useState<Person | null>(null);
  const columns: Column<Person>[] = [
    {
      title: "Person",
      isName: true,
      cell: (person) => (
        <span className="private">
          {person.email}
          {person.isYou && <span className="soft"> (you)</span>}
        </span>
      ),
    },
    { title: "Role", cell: (person) => ROLES[person.role].word },
    { title: "Signs in with", cell: signsInWith },
    { title: "Last here", cell: (person) => <When at={person.seenAt} real /> },
    {
      title: "",
      align: "end",
      cell: (person) => (
        <div className="row end">
          {person.can.includes("setRole") && (
            <Button look="quiet" onClick={() => setChanging(person)}>
              Change role<span className="hidden"> of {person.email}</span>
            </Button>
          )}
          {person.can.includes("remove") && (
            <Button look="quiet" onClick={() => setRemoving(person)}>
              Remove<span className="hidden"> {person.email}</span>
            </Button>
          )}
        </div>
      ),
    },
  ];
  return (
    <Card title="People" flush>
      <Table caption="People who can sign in" columns={columns} rows={people} rowKey={(person) => person.id} />
      {changing && <Changing person={changing} onClose={() => setChanging(null)} />}
      {removing && <Removing person={removing} onClose={() => setRemoving(null)} />}
    </Card>
  );
}

function signsInWith(person: Person) {
  const keys = person.passkeyCount === 1 ? "passkey" : `${person.passkeyCount} passkeys`;
  return ["Password", person.hasTotp && "codes", person.passkeyCount > 0 && keys].filter(Boolean).join(", ");
}

function keepPeople(people: Person[]) {
  queries.setQueryData(PEOPLE, people);
  void queries.invalidateQueries({ queryKey: SESSION });
  void queries.invalidateQueries({ queryKey: INVITATIONS });
}

function Changing({ person, onClose }: { person: Person; onClose: () => void }) {
  const [role, setRole] = useState<Role>(person.role);
  const change = useMutation<Person[], Refused>({
    mutationFn: () => answered(api.PATCH("/app/people/{id}", { ...at(person.id), body: { role } })),
    onSuccess: (people) => {
      keepPeople(people);
      say("Role changed");
      onClose();
    },
  });
  return (
    <Dialog title="Change role" isOpen onClose={onClose}>
      <Form
        error={change.error}
        act="Change role"
        isBusy={change.isPending || role === person.role}
        onSend={() => change.mutate()}
      >
        <p className="private">{person.email}</p>
        <SelectField
          label="Role"
          hint={ROLES[role].may}
          options={ROLE_OPTIONS}
          value={role}
          onValue={(value) => setRole(value as Role)}
        />
      </Form>
    </Dialog>
  );
}

function Removing({ person, onClose }: { person: Person; onClose: () => void }) {
  async function remove() {
    keepPeople((await ask(api.DELETE("/app/people/{id}", at(person.id)))).data);
    say(`${person.email} is removed`);
  }
  return (
    <Confirm title="Remove somebody?" act="Remove" isDanger isOpen onAct={remove} onClose={onClose}>
      <p>
        <strong className="private">{person.email}</strong> is signed out everywhere and cannot sign in any more.
      </p>
      <p className="soft">What they have approved stays approved, and their rules stay enabled.</p>
    </Confirm>
  );
}

function Invitations() {
  const query = useQuery({ queryKey: INVITATIONS, queryFn: readInvitations });
  const takeBack = useMutation<unknown, Refused, string>({
    mutationFn: (id) => ask(api.DELETE("/app/invitations/{id}", at(id))),
    onSuccess: () => say("Invitation taken back"),
    onSettled: () => queries.invalidateQueries({ queryKey: INVITATIONS }),
  });
  const columns: Column<Invitation>[] = [
    { title: "Invited", isName: true, cell: ({ email }) => <span className="private">{email}</span> },
    { title: "Role", cell: ({ role }) => ROLES[role].word },
    { title: "Can join until", cell: ({ expiresAt }) => <When at={expiresAt} real /> },
    {
      title: "",
      align: "end",
      cell: ({ id, email }) => (
        <Button look="quiet" onClick={() => takeBack.mutate(id)}>
          Take back<span className="hidden"> the invitation of {email}</span>
        </Button>
      ),
    },
  ];
  return (
    <Card title="Invitations" flush>
      <ErrorSummary error={takeBack.error} />
      <Loaded query={query}>
        {(invitations) =>
          invitations.length === 0 ? (
            <Empty title="Nobody is invited" />
          ) : (
            <Table caption="Invitations" columns={columns} rows={invitations} rowKey={({ id }) => id} />
          )
        }
      </Loaded>
    </Card>
  );
}

function Inviting({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  const [email, setEmail] = useState("");
  const [role, setRole] = useState<Role>("VIEWER");
  const invite = useMutation({
    mutationFn: () => answered(api.POST("/app/invitations", { body: { email, role } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: INVITATIONS }),
  });
  function close() {
    setEmail("");
    invite.reset();
    onClose();
  }
  if (invite.data) {
    return (
      <Dialog title="Send this link" isOpen={isOpen} onClose={close}>
        <p>
          It is shown only now, and lets one person join as {ROLES[invite.data.invitation.role].word.toLowerCase()}.
          Send it to <strong className="private">{invite.data.invitation.email}</strong> in a way that you trust.
        </p>
        <CopyText text={`${location.origin}${BASE}/invitation#${invite.data.token}`} label="Copy the link" />
      </Dialog>
    );
  }
  const error = invite.error as Refused | null;
  return (
    <Dialog title="Invite somebody" isOpen={isOpen} onClose={close}>
      <Form error={error} act="Make a link" isBusy={invite.isPending} onSend={() => invite.mutate()}>
        <TextField
          label="E-mail"
          type="email"
          required
          value={email}
          onValue={setEmail}
          error={error?.of("email")}
          hint="Nothing is sent: you get a link to pass on."
        />
        <SelectField
          label="Role"
          hint={ROLES[role].may}
          options={ROLE_OPTIONS}
          value={role}
          onValue={(value) => setRole(value as Role)}
        />
      </Form>
    </Dialog>
  );
}
