/** What people outside do: they send money, collect it, and are paid by card. */
import { type ReactNode, useState } from "react";
import { api, ask, at } from "@/api/client";
import { AmountField, Card, Empty, Form, SelectField, TextField } from "@/parts";
import { type Act, type Happened, useAct, type World } from "./Sandbox";

type Props = { world: World; tell: (happened: Happened) => void };

/** A card with a form in it, which does one thing. */
export function ActCard(props: { title: string; act: string; doing: Act; onAct: () => void; children: ReactNode }) {
  return (
    <Card title={props.title}>
      <Form act={props.act} error={props.doing.error} isBusy={props.doing.isPending} onSend={props.onAct}>
        {props.children}
      </Form>
    </Card>
  );
}

const optionsOf = (places: World["places"]) => places.map(({ id, name }) => [id, name] as const);

export function Arrive({ world, tell }: Props) {
  // Where income comes in stands first: it is what most rules wait for.
  const isIncome = (place: World["places"][number]) => Number(place.type === "INCOME_SOURCE");
  const places = [...world.places].sort((one, other) => isIncome(other) - isIncome(one));
  const [accountId, setAccount] = useState(places[0]?.id ?? "");
  const [cents, setCents] = useState<number | null>(150_000);
  const doing = useAct(tell);
  const currency = places.find(({ id }) => id === accountId)?.currency ?? "USD";
  const arrive = () => {
    if (cents === null) return;
    doing.mutate(() => ask(api.POST("/app/sandbox/deposits", { body: { accountId, amountInCents: cents } })));
  };
  return (
    <ActCard title="Money arrives" act="Let it arrive" doing={doing} onAct={arrive}>
      <SelectField label="In" value={accountId} onValue={setAccount} options={optionsOf(places)} />
      <AmountField label="Amount" cents={cents} currency={currency} onCents={setCents} required />
    </ActCard>
  );
}

export function Collect({ world, tell }: Props) {
  const places = world.places.filter(({ isOutside }) => !isOutside);
  const [accountId, setAccount] = useState(places[0]?.id ?? "");
  const [cents, setCents] = useState<number | null>(5_000);
  const [description, setDescription] = useState("");
  const doing = useAct(tell);
  const currency = places.find(({ id }) => id === accountId)?.currency ?? "USD";
  const collect = () => {
    if (cents === null) return;
    const body = { accountId, amountInCents: cents, description };
    doing.mutate(() => ask(api.POST("/app/sandbox/withdrawals", { body })));
  };
  return (
    <ActCard title="Somebody collects" act="Let it be collected" doing={doing} onAct={collect}>
      <SelectField label="From" value={accountId} onValue={setAccount} options={optionsOf(places)} />
      <AmountField label="Amount" cents={cents} currency={currency} onCents={setCents} required />
      <TextField label="For" hint="As in: rent" value={description} onValue={setDescription} maxLength={200} />
    </ActCard>
  );
}

export function Pay({ world, tell }: Props) {
  const [cardId, setCard] = useState(world.cards[0]?.id ?? "");
  const [cents, setCents] = useState<number | null>(1_250);
  const [description, setDescription] = useState("Corner shop");
  const doing = useAct(tell);
  if (!cardId) {
    return (
      <Card title="A card pays">
        <Empty title="There are no cards." />
      </Card>
    );
  }
  const pay = () => {
    if (cents === null) return;
    const body = { amountInCents: cents, description };
    doing.mutate(() => ask(api.POST("/app/sandbox/cards/{id}/purchases", { ...at(cardId), body })));
  };
  return (
    <ActCard title="A card pays" act="Pay" doing={doing} onAct={pay}>
      <SelectField
        label="Card"
        value={cardId}
        onValue={setCard}
        options={world.cards.map((card) => [card.id, card.isActive ? card.label : `${card.label} (not active)`])}
      />
      <AmountField label="Amount" cents={cents} currency="USD" onCents={setCents} required />
      <TextField label="To" required value={description} onValue={setDescription} maxLength={200} />
    </ActCard>
  );
}
