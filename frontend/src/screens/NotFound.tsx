import { Link } from "react-router";
import { Empty } from "@/parts/Loaded";
import { Page } from "@/parts/Page";

export default function NotFound() {
  return (
    <Page title="Nothing here">
      <Empty title="There is no such page.">
        <Link to="/">Go to the overview</Link>
      </Empty>
    </Page>
  );
}
