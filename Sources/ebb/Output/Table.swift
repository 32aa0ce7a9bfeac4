/// Columns aligned with blanks, two between them, as docker prints its listings.
struct Table {
    let header: [String]
    let rows: [[String]]

    func text(withHeader: Bool) -> String {
        let lines = (withHeader ? [header] : []) + rows
        guard let columns = lines.first?.count else { return "" }
        let widths = (0..<columns).map { column in lines.map { $0[column].count }.max() ?? 0 }
        return lines.map { line in
            var text = ""
            for (column, cell) in line.enumerated() {
                text += cell
                if column < columns - 1 { text += String(repeating: " ", count: widths[column] - cell.count + 2) }
            }
            while text.last == " " { text.removeLast() }
            return text + "\n"
        }.joined()
    }
}
