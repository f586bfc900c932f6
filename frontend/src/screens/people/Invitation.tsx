/** An invitation, opened by its link: what it is to, and a password of one's own. The token is behind the #, so that no log has it. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useLocation, useNavigate } from "react-router";
import { answered, api, ask, type Refused } from "@/api/client";
import { keepSession, type Session } from "@/api/session";
import { TextField } from "@/parts/Fields";
import { Loading } from "@/parts/Loaded";
import { Door } from "../session/Door";
import { ROLES } from "./roles";

export default function Invitation() {
  const token = useLocation().hash.slice(1);
  const navigate = useNavigate();
  const [password, setPassword] = useState("");
  const accept = useMutation<{ data: Session }, Refused>({
    mutationFn: () => ask(api.POST("/app/invitation/accept", { body: { token, password } })),
    onSuccess: ({ data }) => {
      keepSession(data);
      void navigate("/", { replace: true });
    },
  });
  const seen = useQuery({
    queryKey: ["invitation", token],
    queryFn: () => answered(api.POST("/app/invitation", { body: { token } })),
    // Accepting it ends it: it is not looked at again on the way out.
    enabled: token !== "" && !accept.isPending && !accept.isSuccess,
    retry: false,
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
  });
  if (seen.error || !token) {
    return (
      <Door title="Invitation">
        <p>{seen.error?.message ?? "Open the whole link that you were sent."}</p>
        <Link to="/">Go to Sluiceway</Link>
      </Door>
    );
  }
  if (!seen.data) return <Loading />;
  const { organizationName, email, role } = seen.data;
  return (
    <Door
      title="You are invited"
      error={accept.error}
      act="Join"
      isBusy={accept.isPending}
      onAct={() => accept.mutate()}
    >
      <p>
        To <strong>{organizationName}</strong>, as {ROLES[role].word.toLowerCase()}. {ROLES[role].may}
      </p>
      <TextField label="E-mail" type="email" autoComplete="username" readOnly value={email} onValue={() => {}} />
      <TextField
        label="Password"
        hint="You choose it now. At least 10 characters."
        type="password"
        autoComplete="new-password"
        required
        value={password}
        onValue={setPassword}
        error={accept.error?.of("password")}
      />
    </Door>
  );
}
