/** A list that is read page by page, newest first. */
import { useInfiniteQuery } from "@tanstack/react-query";

type Page<T> = { data: T[]; nextCursor?: string | null };

/** Read a list; `key` begins with the plural of what is listed, so that live updates find it. */
export function useList<T>(key: readonly unknown[], read: (cursor: string | undefined) => Promise<Page<T>>) {
  const query = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam }) => read(pageParam || undefined),
    initialPageParam: "",
    getNextPageParam: (last) => last.nextCursor || undefined,
  });
  return { ...query, data: query.data?.pages.flatMap((page) => page.data) };
}
